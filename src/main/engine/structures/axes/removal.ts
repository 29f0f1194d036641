/** A plan read against the groups: which indices of which axes go, and which blocks. */
import { SecateurError } from '../../../../shared/contract/errors.ts';
import type { PlanGroup } from '../../../../shared/model/types.ts';
import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';
import type { Analysis, Group, ResidualBlock } from './types.ts';

/** The part of a plan that surgery needs. */
export interface Cut {
  readonly groups: readonly PlanGroup[];
  readonly blocks: readonly string[];
}

export interface Removal {
  /** Removed indices per axis of each value (by identity in the analysed model). */
  readonly removed: ReadonlyMap<Value, ReadonlyMap<number, ReadonlySet<number>>>;
  /** Blocks to drop, in execution order as listed. */
  readonly blocks: readonly ResidualBlock[];
}

const invalid = (reason: string): SecateurError => new SecateurError('plan-invalid', { reason });

/** @throws SecateurError 'plan-invalid' for unknown names, or when a group would lose all units while its nodes stay. */
export function readCut(analysis: Analysis, blocks: readonly ResidualBlock[], cut: Cut): Removal {
  const dropped = cut.blocks.map((id) => {
    const b = blocks.find((c) => c.id === id);
    if (!b) throw invalid(`there is no residual block ${id}`);
    return b;
  });
  const order = new Map(blocks.map((b, i) => [b, i]));
  dropped.sort((a, b) => order.get(a)! - order.get(b)!);
  const gone = new Set<Node>(dropped.flatMap((b) => [...b.nodes]));
  const byId = new Map(analysis.groups.map((g) => [g.id, g]));
  const removed = new Map<Value, Map<number, Set<number>>>();
  for (const { group: id, removed: units } of cut.groups) {
    const group = byId.get(id);
    if (!group) throw invalid(`there is no group ${id}`);
    const distinct = new Set(units);
    for (const u of distinct)
      if (!Number.isInteger(u) || u < 0 || u >= group.units) throw invalid(`group ${id} has no unit ${u}`);
    if (distinct.size === group.units) {
      if (!inside(group, gone)) throw invalid(`group ${id} would lose all of its ${group.units} units`);
      continue; // its nodes go with their block
    }
    for (const m of group.members) {
      const axes = removed.get(m.value) ?? new Map<number, Set<number>>();
      removed.set(m.value, axes);
      const set = axes.get(m.axis) ?? new Set<number>();
      axes.set(m.axis, set);
      for (const u of distinct) for (const i of m.indices[u]!) set.add(i);
    }
  }
  for (const axes of removed.values()) for (const [axis, set] of axes) if (set.size === 0) axes.delete(axis);
  return { removed, blocks: dropped };
}

/** True when every weight of the group is read by removed nodes only. */
function inside(group: Group, gone: ReadonlySet<Node>): boolean {
  return group.members.every((m) => m.role === 'through' || m.nodes.every((n) => gone.has(n)));
}

/** Indices of an axis of `extent` that stay, ascending, or null when all stay. */
export function keptIndices(removal: Removal, value: Value, axis: number, extent: number): readonly number[] | null {
  const set = removal.removed.get(value)?.get(axis);
  if (!set?.size) return null;
  const out: number[] = [];
  for (let i = 0; i < extent; i++) if (!set.has(i)) out.push(i);
  return out;
}
