/** Shapes after pruning, from keep counts per group: what surgery will make, without doing it. */
import type { Facts } from '../ir/facts.ts';
import type { Value } from '../ir/value.ts';
import type { Group } from '../pruning/types.ts';

/** Kept units per group id; groups that are absent stay whole. */
export type KeepCounts = ReadonlyMap<string, number>;

interface Change {
  readonly group: string;
  readonly axis: number;
  /** Elements of the axis that the first k units hold, for k = 0..units. */
  readonly upTo: readonly number[];
}

export class Widths {
  readonly #facts: Facts;
  readonly #changes = new Map<Value, Change[]>();

  constructor(facts: Facts, groups: readonly Group[]) {
    this.#facts = facts;
    for (const g of groups)
      for (const m of g.members) {
        const upTo = [0];
        for (const at of m.indices) upTo.push(upTo.at(-1)! + at.length);
        const of = this.#changes.get(m.value) ?? [];
        of.push({ group: g.id, axis: m.axis, upTo });
        this.#changes.set(m.value, of);
      }
  }

  /** Ids of the groups that change a value. */
  groupsOf(v: Value): string[] {
    return (this.#changes.get(v) ?? []).map((c) => c.group);
  }

  /** The shape of a value at these keep counts (units are taken to be alike); undefined when the facts do not know it. */
  shape(v: Value, keep: KeepCounts): readonly number[] | undefined {
    const full = this.#facts.get(v)?.shape;
    const changes = this.#changes.get(v);
    if (!full || !changes) return full;
    const out = [...full];
    for (const c of changes) {
      const k = keep.get(c.group);
      if (k === undefined) continue;
      out[c.axis]! -= c.upTo.at(-1)! - c.upTo[Math.max(0, Math.min(k, c.upTo.length - 1))]!;
    }
    return out;
  }
}
