/** Resolves the choices of a plan against the structures of a model. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Plan, PlanChoice, PlanVersion1 } from '../../../shared/model/types.ts';
import type { Structure } from './contract.ts';

/** A structure and the units that it loses. */
export interface Choice {
  readonly structure: Structure;
  /** Ascending. */
  readonly removed: readonly number[];
}

/** The part of a plan that determines a cut. */
export type Cut = Pick<Plan, 'choices'>;

/** A cut of any version of plan files. */
export type AnyCut = Cut | PlanVersion1;

export const invalidPlan = (reason: string): SecateurError => new SecateurError('plan-invalid', { reason });

/**
 * @returns choices in the order of the structures
 * @throws SecateurError 'plan-invalid' for unknown versions, structures or units
 */
export function readChoices(structures: readonly Structure[], plan: AnyCut): Choice[] {
  const { choices } = 'choices' in plan ? plan : upgradePlan(plan, structures);
  const byId = new Map(structures.map((s) => [s.id, s]));
  const removed = new Map<Structure, readonly number[]>();
  for (const c of choices) {
    const structure = byId.get(c.structure);
    if (structure?.kind.name !== c.kind) throw invalidPlan(`there is no ${c.structure} of the kind ${c.kind}`);
    if (removed.has(structure)) throw invalidPlan(`two choices name ${c.structure}`);
    const units = [...new Set(c.detail.removed)].sort((a, b) => a - b);
    for (const u of units)
      if (!Number.isInteger(u) || u < 0 || u >= structure.units) throw invalidPlan(`${c.structure} has no unit ${u}`);
    if (structure.units - units.length !== c.level)
      throw invalidPlan(`${c.structure} keeps ${c.level} of ${structure.units} units and removes ${units.length}`);
    removed.set(structure, units);
  }
  return structures.flatMap((structure) => {
    const units = removed.get(structure);
    return units ? [{ structure, removed: units }] : [];
  });
}

/** The choice that removes these units. @param removed ascending */
export const choiceOf = ({ id, kind, units }: Structure, removed: readonly number[]): PlanChoice => ({
  structure: id,
  kind: kind.name,
  level: units - removed.length,
  detail: { removed },
});

/**
 * Converts a plan file of version 1 to the present version.
 * @throws SecateurError 'plan-invalid' for other versions, and for structures that the model does not have
 */
function upgradePlan(file: PlanVersion1, structures: readonly Structure[]): Plan {
  // The version in a file can be anything.
  if ((file.version as number) !== 1) throw invalidPlan(`version ${String(file.version)} is not known`);
  const choose = (id: string, removed: readonly number[]): PlanChoice => {
    const s = structures.find((x) => x.id === id);
    if (!s) throw invalidPlan(`there is no ${id}`);
    return choiceOf(s, removed);
  };
  const choices = [
    ...file.groups.map((g) => choose(g.group, g.removed)),
    ...file.blocks.map((name) => choose(`block ${name}`, [0])),
  ];
  return { version: 2, package: { model: file.model }, choices };
}
