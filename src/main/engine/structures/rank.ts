/** Ranks the units of all structures: those along axes by a criterion, others by the rule of their kind. */
import type { Scores } from '../criteria/contract.ts';
import type { Structure } from './contract.ts';

/**
 * @param byCriterion scores of every structure with axes
 * @returns one score per unit and structure id; higher scores are kept
 */
export const rankUnits = (structures: readonly Structure[], byCriterion: Scores): Scores =>
  new Map(
    structures.map((s) => [s.id, Float64Array.from(s.kind.rank(s, (axes) => byCriterion.get(axes.id)!))] as const),
  );
