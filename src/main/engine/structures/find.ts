/** Finds the structures of all kinds in a model. */
import type { Facts } from '../ir/facts.ts';
import type { Model } from '../ir/model.ts';
import type { Analysis, Group, ResidualBlock } from './axes/types.ts';
import { buildGroups } from './axes/groups.ts';
import type { Structure, StructureKind } from './contract.ts';
import { KINDS } from './registry.ts';

export interface FoundStructures {
  /** The axis maps. `skipped` holds the operators that no kind can reduce. */
  readonly analysis: Analysis;
  /** Structures with axes first, in the order of the model; then the others, kind by kind. */
  readonly structures: readonly Structure[];
}

/** @param facts must hold the shapes of all values */
export function findStructures(
  model: Model,
  facts: Facts,
  kinds: readonly StructureKind[] = KINDS,
  analysis: Analysis = buildGroups(model, facts),
): FoundStructures {
  const found = kinds.map((k) => k.find({ model, facts, analysis }));
  const place = new Map(analysis.groups.map((g, i) => [g, i]));
  const placeOf = (s: Structure): number => (s.axes && place.get(s.axes)) ?? place.size;
  const structures = found.flatMap((f) => f.structures).sort((a, b) => placeOf(a) - placeOf(b));
  const ids = new Set<string>();
  for (const { id, kind } of structures) {
    if (ids.has(id)) throw new Error(`the kind ${kind.name} gives a structure the id ${id}, which another one has`);
    ids.add(id);
  }
  return {
    analysis: { ...analysis, skipped: [...analysis.skipped, ...found.flatMap((f) => f.skipped ?? [])] },
    structures,
  };
}

/** The groups of all structures with axes. */
export const axesOf = (structures: readonly Structure[]): Group[] => structures.flatMap((s) => s.axes ?? []);

/** The sums that level 0 of some structure replaces, in execution order. */
export const bypassesOf = (structures: readonly Structure[]): ResidualBlock[] =>
  structures.flatMap((s) => s.bypass ?? []);
