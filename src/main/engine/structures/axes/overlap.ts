/**
 * Two groups on one axis: channels of attention are heads times dimensions, and either may be removed. For any removed
 * units of both, the remaining axis is a product again, so the axes it is split into have whole sizes.
 */
import type { Value } from '../../ir/value.ts';
import type { Group, GroupMember } from './types.ts';

type Indices = GroupMember['indices'];

/**
 * 'none': no common index. 'within': all of b's indices are a's, and every unit of b shares equally many with every
 * unit of a, so that both may be cut freely; 'around': the reverse. 'other': neither.
 */
export function overlapOf(a: Indices, b: Indices): 'none' | 'within' | 'around' | 'other' {
  const unitOf = new Map<number, number>();
  a.forEach((at, u) => at.forEach((i) => unitOf.set(i, u)));
  const size = b.reduce((n, at) => n + at.length, 0);
  const common = b.reduce((n, at) => n + at.filter((i) => unitOf.has(i)).length, 0);
  if (common === 0) return 'none';
  const each = common / (a.length * b.length);
  if (!Number.isInteger(each)) return 'other';
  const met = new Uint32Array(a.length * b.length);
  b.forEach((at, v) =>
    at.forEach((i) => {
      const u = unitOf.get(i);
      if (u !== undefined) met[u * b.length + v]!++;
    }),
  );
  if (met.some((n) => n !== each)) return 'other';
  return common === size ? 'within' : common === unitOf.size ? 'around' : 'other';
}

/** The groups of `others` that may be cut together with any cut of `base`, and that are not in `base`. */
export function compatible(base: readonly Group[], others: readonly Group[]): Group[] {
  const at = new Map<Value, GroupMember[]>();
  const add = (g: Group): void => {
    for (const m of g.members) {
      const of = at.get(m.value) ?? [];
      of.push(m);
      at.set(m.value, of);
    }
  };
  base.forEach(add);
  return others.filter((g) => {
    let crosses = false;
    for (const own of g.members)
      for (const m of at.get(own.value) ?? []) {
        if (m.axis !== own.axis) continue;
        const overlap = overlapOf(m.indices, own.indices);
        // Most groups are the same in every reading, which their first members show.
        if (overlap === 'other') return false;
        crosses ||= overlap !== 'none';
      }
    if (crosses) add(g);
    return crosses;
  });
}
