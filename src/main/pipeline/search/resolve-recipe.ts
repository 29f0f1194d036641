/** What a recipe leaves open is decided by the model and the data. */
import type { Recipe } from '../../../shared/model/job.ts';
import { AUTO } from '../../../shared/model/recipes.ts';
import { allocationMethod } from '../../engine/allocation/methods/registry.ts';
import { modelCosts } from '../../engine/ir/costs.ts';
import type { Prepared } from '../prepare/prepare.ts';

/** Models with fewer parameters are cut and run for every plan that is tried; larger ones are judged by curvature. */
const CUT_BELOW = 8e6;

/** True where every plan that is tried is cut and run. */
export const isSmall = (p: Prepared): boolean => modelCosts(p.model, p.facts).params < CUT_BELOW;

/** True where plans are judged by one backward pass instead of being run. */
export const judgedByCurvature = (recipe: Pick<Recipe, 'allocation'>, p: Prepared): boolean =>
  allocationMethod(recipe.allocation).cost === 'curvature' || !isSmall(p);

/**
 * The recipe with its criterion named. 'auto' is OSSCAR where plans are run and there are data: it ranks by what refitting
 * cannot restore, and plans are refitted. Elsewhere it is L2, which needs nothing.
 * @param real false where no data were given
 */
export function resolveRecipe(recipe: Recipe, p: Prepared, real: boolean): Recipe {
  if (recipe.criterion !== AUTO) return recipe;
  return { ...recipe, criterion: real && !judgedByCurvature(recipe, p) ? 'osscar' : 'l2' };
}
