/**
 * Fills in groups whose units the recipe's criterion does not rank: they are reported and ranked by the norm of their
 * weights.
 */
import { criterionFor } from './registry.ts';
import type { Group } from '../structures/axes/types.ts';
import type { Scores } from './contract.ts';

/** The fallback criterion: it needs no data and ranks everything with weights. */
const INSTEAD = 'l2';

/**
 * Scores for every group. A group without scores, with NaN or infinite scores, or with equal scores for all units gets
 * L2 norms. Where those do not rank it either, its units are removed in index order. Notes name both cases.
 */
export function completeScores(
  groups: readonly Group[],
  scores: Scores,
  criterion: string,
): { scores: Scores; notes: string[] } {
  const out = new Map<string, Float64Array>();
  const instead: string[] = [];
  const unranked: string[] = [];
  for (const group of groups) {
    const own = scores.get(group.id);
    if (own && ranks(own, group.units)) {
      out.set(group.id, own);
      continue;
    }
    const norms = criterion === INSTEAD ? null : criterionFor(INSTEAD)!.score({ group, seed: 0 });
    const useful = norms !== null && ranks(norms, group.units);
    (useful ? instead : unranked).push(group.id);
    out.set(group.id, useful ? norms : new Float64Array(group.units));
  }
  return {
    scores: out,
    notes: [
      ...(instead.length
        ? [`The criterion ${criterion} does not rank the units of ${instead.join(', ')}; ${INSTEAD} is used for them.`]
        : []),
      ...(unranked.length
        ? [`No criterion ranks the units of ${unranked.join(', ')}; they are removed in the order of their indices.`]
        : []),
    ],
  };
}

/** True when there is one finite score per unit and not all are equal. */
const ranks = (score: Float64Array, units: number): boolean =>
  score.length === units && score.every((s) => Number.isFinite(s)) && (units < 2 || score.some((s) => s !== score[0]));
