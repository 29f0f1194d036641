/** Descriptions of structures for reports. */
import type { GroupInfo, Plan } from '../../../shared/model/types.ts';
import { elementCount } from '../ir/dtype.ts';
import type { Group } from './axes/types.ts';
import type { Structure } from './contract.ts';

/** `paramsPerUnit` counts every initializer that loses a slice with the unit. */
export function structureInfo({ id, kind, unit, units, axes, makers }: Structure): GroupInfo {
  const nodes = new Set((axes?.members.flatMap((m) => m.nodes) ?? makers).map((n) => n.name));
  return { id, kind: kind.name, unit, units, paramsPerUnit: axes ? paramsOf(axes) : 0, nodes: [...nodes] };
}

function paramsOf({ members }: Group): number {
  let elements = 0;
  for (const { value, axis, indices } of members) {
    const dims = value.initializer?.dims;
    if (!dims) continue;
    const perIndex = elementCount(dims) / (dims[axis] ?? 1);
    elements += perIndex * (indices[0]?.length ?? 1);
  }
  return elements;
}

/** Structures that can keep a part of their units, with the units that a plan keeps. */
export const keptUnits = (
  structures: readonly Structure[],
  plan: Pick<Plan, 'choices'>,
): (GroupInfo & { readonly kept: number })[] => {
  const level = new Map(plan.choices.map((c) => [c.structure, c.level]));
  return structures.filter((s) => s.units > 1).map((s) => ({ ...structureInfo(s), kept: level.get(s.id) ?? s.units }));
};

/** Names of the single-unit structures that a plan removes. */
export const removedWhole = (structures: readonly Structure[], plan: Pick<Plan, 'choices'>): string[] => {
  const gone = new Set(plan.choices.filter((c) => c.level === 0).map((c) => c.structure));
  return structures.filter((s) => s.units === 1 && gone.has(s.id)).map((s) => s.name);
};
