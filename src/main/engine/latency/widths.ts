/** Shapes after pruning, computed from keep counts per group without performing the surgery. */
import type { Facts } from '../ir/facts.ts';
import type { Value } from '../ir/value.ts';
import { overlapOf } from '../structures/axes/overlap.ts';
import type { Group, GroupMember } from '../structures/axes/types.ts';

/** Kept units per group id; absent groups stay whole. */
export type KeepCounts = ReadonlyMap<string, number>;

/** Elements of one axis that belong to a group's units. */
interface Part {
  readonly group: string;
  readonly member: GroupMember;
  readonly elements: number;
  /** Number of elements in the first k units, for k = 0..units. */
  readonly upTo: readonly number[];
  /**
   * Groups whose units divide the same elements or some of them (dimensions of heads): the kept elements are a product.
   */
  inner: Part[];
}

export class Widths {
  readonly #facts: Facts;
  readonly #parts = new Map<Value, readonly Part[]>();

  constructor(facts: Facts, groups: readonly Group[]) {
    this.#facts = facts;
    const members = new Map<Value, { group: string; member: GroupMember }[]>();
    for (const g of groups)
      for (const member of g.members) {
        const of = members.get(member.value) ?? [];
        of.push({ group: g.id, member });
        members.set(member.value, of);
      }
    for (const [v, of] of members) this.#parts.set(v, partsOf(of));
  }

  /** Ids of the groups that change a value's shape. */
  groupsOf(v: Value): string[] {
    return (this.#parts.get(v) ?? []).flatMap(groupsIn);
  }

  /** The shape of a value at these keep counts, assuming equal units; undefined when the facts have no shape. */
  shape(v: Value, keep: KeepCounts): readonly number[] | undefined {
    const full = this.#facts.get(v)?.shape;
    const parts = this.#parts.get(v);
    if (!full || !parts) return full;
    const out = [...full];
    for (const p of parts) out[p.member.axis]! -= p.elements - Math.round(left(p, keep));
    return out;
  }
}

/** Kept elements of a part. */
function left(p: Part, keep: KeepCounts): number {
  const k = keep.get(p.group) ?? p.upTo.length - 1;
  const inside = p.inner.reduce((n, q) => n - (q.elements - left(q, keep)), p.elements);
  return (inside * p.upTo[Math.max(0, Math.min(k, p.upTo.length - 1))]!) / p.elements;
}

const groupsIn = (p: Part): string[] => [p.group, ...p.inner.flatMap(groupsIn)];

function partsOf(members: readonly { group: string; member: GroupMember }[]): Part[] {
  let parts: Part[] = [];
  for (const { group, member } of members) {
    const upTo = [0];
    for (const at of member.indices) upTo.push(upTo.at(-1)! + at.length);
    parts = placed(parts, { group, member, elements: upTo.at(-1)!, upTo, inner: [] });
  }
  return parts;
}

/** Adds a part to the list: inside a part that it divides, or around the parts that divide it. */
function placed(parts: readonly Part[], p: Part): Part[] {
  const how = new Map(
    parts.map((q) => [
      q,
      q.member.axis === p.member.axis ? overlapOf(q.member.indices, p.member.indices) : ('none' as const),
    ]),
  );
  const outer = parts.find((q) => how.get(q) === 'within');
  if (outer) {
    outer.inner = placed(outer.inner, p);
    return [...parts];
  }
  p.inner = parts.filter((q) => how.get(q) === 'around');
  return [...parts.filter((q) => how.get(q) !== 'around'), p];
}
