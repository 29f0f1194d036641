/** Resolves the parts that a recipe leaves open, by the model and the data. */
import type { Recipe } from '../../../shared/model/job.ts';
import { AUTO } from '../../../shared/model/recipes.ts';
import { allocationMethod } from '../../engine/allocation/methods/registry.ts';
import { modelCosts } from '../../engine/ir/costs.ts';
import type { Prepared } from '../prepare/prepare.ts';
import { macsOf, rankingSamples } from './sample-limits.ts';

/**
 * Models with fewer parameters are cut and run for every tried plan; larger ones are judged by
 * curvature.
 */
const CUT_BELOW = 8e6;

/** True when every tried plan is cut and run. */
export const isSmall = (p: Prepared): boolean => modelCosts(p.model, p.facts).params < CUT_BELOW;

/** Multiply-accumulates per second that plans are expected to run at. It sizes a search and is no prediction of its time. */
const MACS_PER_SECOND = 2e10;

/** Seconds that one plan per structure is expected to take. A search that cannot afford them knows too little to choose. */
const firstRoundSeconds = (p: Prepared): number => {
  const macs = macsOf(p);
  return (p.structures.length * rankingSamples(macs) * macs) / MACS_PER_SECOND;
};

/** True where plans are judged by one backward pass instead of being run. */
export const judgedByCurvature = (recipe: Pick<Recipe, 'allocation' | 'allocationSeconds'>, p: Prepared): boolean =>
  allocationMethod(recipe.allocation).cost === 'curvature' ||
  !isSmall(p) ||
  firstRoundSeconds(p) > recipe.allocationSeconds;

/**
 * The recipe with a named criterion. 'auto' is OSSCAR when plans are run and there are data: it
 * ranks by the error that refitting cannot remove, and plans are refitted. Otherwise it is L2,
 * which needs nothing.
 * @param real false when there are no data
 */
export function resolveRecipe(recipe: Recipe, p: Prepared, real: boolean): Recipe {
  if (recipe.criterion !== AUTO) return recipe;
  return { ...recipe, criterion: real && !judgedByCurvature(recipe, p) ? 'osscar' : 'l2' };
}
