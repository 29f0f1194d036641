/** The prepared model with fewer tokens, its weights refitted where the recipe compensates. */
import type { Recipe } from '../../shared/model/job.ts';
import type { TokenSchedule } from '../../shared/model/types.ts';
import type { Model } from '../engine/ir/model.ts';
import { fitTokens } from './compensate/fit-tokens.ts';
import type { StageContext } from './context.ts';
import { limitLeaves, scheduleLeaf } from './leaves.ts';
import { drawCalibration, type Calibration } from './prepare/calibration.ts';
import type { Samples } from './prepare/job-data.ts';
import type { Prepared } from './prepare/prepare.ts';
import { tokenCut, withFewerTokens } from './prepare/with-tokens.ts';
import { sampleLimits } from './search/sample-limits.ts';
import { now, type Keyed } from './stage.ts';

/** Inputs of a job, with all tokens. */
export interface WholeInputs {
  readonly source: Keyed<Model>;
  readonly prepared: Keyed<Prepared>;
  readonly samples: Keyed<Samples>;
  readonly seed: Keyed<number>;
  readonly threads: Keyed<number>;
}

type Counts = Pick<Recipe, 'calibrationSamples' | 'compensation'>;

/** The samples on which schedules are compared and weights are refitted. */
export function tokenSamples(
  inputs: WholeInputs,
  { calibrationSamples }: Counts,
  ctx: StageContext,
): Promise<Keyed<Calibration>> {
  const limits = limitLeaves(sampleLimits(inputs.prepared.value, calibrationSamples));
  return now(drawCalibration.later({ ...inputs, size: limits.batch, count: limits.calibration }, ctx));
}

/** Without data the weights stay as they are. @param o.batch at which the model is timed */
export async function reduceTokens(
  inputs: WholeInputs,
  o: { readonly schedule: TokenSchedule; readonly recipe: Counts; readonly batch: number },
  ctx: StageContext,
): Promise<Keyed<Prepared>> {
  const given = { ...inputs, schedule: scheduleLeaf(o.schedule) };
  const fits = o.recipe.compensation === 'least-squares' && inputs.samples.value.dataset !== null;
  const cut = fits
    ? await fitTokens.run({ ...given, calibration: await tokenSamples(inputs, o.recipe, ctx) }, ctx)
    : await tokenCut.run(given, ctx);
  return withFewerTokens({ source: inputs.source, prepared: inputs.prepared, cut, batch: o.batch }, ctx);
}
