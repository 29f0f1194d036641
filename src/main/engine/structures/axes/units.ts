/** Parts shared by kinds whose units are indices along axes. */
import type { Group } from './types.ts';
import type { Structure, StructureKind } from '../contract.ts';

type AxisKind = Omit<StructureKind, 'name' | 'find' | 'examples'>;

/** @param all groups of the model */
export function structureOf(axes: Group, kind: StructureKind, unit: string, all: readonly Group[]): Structure {
  const { id, units, multiple, members } = axes;
  // Groups are named after the operator that produces them: such a name means that group, not all that the operator
  // reads.
  const ids = new Set(all.map((g) => g.id));
  const names = members.flatMap((m) => m.nodes.map((n) => n.name)).filter((n) => n !== '' && !ids.has(n));
  const makers = members.filter((m) => m.role === 'source').flatMap((m) => m.nodes);
  return { id, name: id, kind, unit, units, multiple, makers, aliases: [id, ...new Set(names)], axes };
}

export const axisKind: AxisKind = {
  levels(s, { steps = [s.units], floor }) {
    const least = Math.max(s.multiple, Math.ceil(floor * s.units));
    const offered = steps.filter((n) => n >= least && n < s.units);
    return [...offered, s.units];
  },
  rank: (s, byCriterion) => byCriterion(s.axes!),
  shapes: (s, removed) => ({ keep: s.units - removed.length, gone: [] }),
  apply(s, removed, cut) {
    const { members } = s.axes!;
    if (removed.length === s.units) {
      // Every weight of the units is read by nodes that are removed with another structure.
      const inside = members.every((m) => m.role === 'through' || m.nodes.every((n) => cut.gone.has(n)));
      if (!inside) cut.refuse(`${s.name} would lose all of its ${s.units} units`);
      return;
    }
    for (const m of members)
      cut.removeIndices(
        m.value,
        m.axis,
        removed.flatMap((u) => m.indices[u]!),
      );
  },
  mask: (s, gate, mask) => mask.scaleAxes(s.axes!, gate),
  levelAt: (s, share) =>
    Math.min(s.units, Math.round(Math.max(s.multiple, Math.round(share * s.units)) / s.multiple) * s.multiple),
  allowed: (recipe) => recipe.channels,
};
