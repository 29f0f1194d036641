/**
 * From a search to the delivered result: a plan is chosen, recovered, judged and measured, and
 * replaced by another if it is too slow.
 */
import type { Plan } from '../../shared/model/types.ts';
import type { Candidate } from '../engine/allocation/fit-budget.ts';
import type { Model } from '../engine/ir/model.ts';
import { openModelFile } from '../storage/model-files.ts';
import type { StageContext } from './context.ts';
import { recoverAndEvaluate } from './evaluate/judge-stage.ts';
import { guardCut } from './evaluate/second-sizes.ts';
import { finalMeasure, remadeFrom, type Final, type FinalOptions } from './measure/final-measure.ts';
import type { Job } from './open-job.ts';
import { declareAs } from './prepare/free-batch.ts';
import type { MeasuredOriginal } from './open-search.ts';
import { searchPlan, type SearchOptions } from './search-plan.ts';
import { declareResult } from './pack/declare-result.ts';
import { guardResult, type ResultSizes } from './pack/result-sizes.ts';

/** A plan that was compensated, recovered, judged and measured as it will be shipped. */
export interface Result {
  readonly plan: Plan;
  readonly planHash: string;
  readonly chosen: Candidate;
  readonly learned: Awaited<ReturnType<typeof recoverAndEvaluate>>;
  /** False when the result is the compensated model. */
  readonly recovered: boolean;
  readonly path: string;
  readonly model: Model;
  readonly sizes: ResultSizes;
  readonly final: Final;
}

/** Tries another plan when the result is too slow, unless minutes of recovery were spent on it. */
export async function findResult(
  job: Job,
  { baselineMs, budgetRatio }: MeasuredOriginal,
  search: SearchOptions,
  ctx: StageContext,
): Promise<Result> {
  const steady = await measuredBeforeRecovery(job, { baselineMs, budgetRatio }, search, ctx);
  const first = (await makeResult(job, baselineMs, steady, ctx))!;
  const { final } = first;
  if (final.latency.verdict === 'met' || first.recovered) return first;
  ctx.log(`${final.share.toFixed(3)} of the budget (${final.latency.verdict}): making another plan`);
  job.clock.mark('measure');
  const missed = [{ ...first.chosen, ratio: remadeFrom(final) * budgetRatio }];
  // The other plan is another model and needs a measurement of its own.
  const next = await makeResult(job, baselineMs, { ...search, missed }, ctx, first.planHash);
  return next && (next.final.latency.verdict === 'met' || next.final.share < final.share) ? next : first;
}

/**
 * Measures the compensated model at the length of the final measurement, because a result is not made again once minutes
 * of recovery were spent on it. Training does not change the latency.
 * @returns the search, which knows the plan as too slow where it was
 */
async function measuredBeforeRecovery(
  job: Job,
  { baselineMs, budgetRatio }: Pick<MeasuredOriginal, 'baselineMs' | 'budgetRatio'>,
  search: SearchOptions,
  ctx: StageContext,
): Promise<SearchOptions> {
  const { recovery } = job.request.recipe;
  if (!recovery.enabled || recovery.seconds <= 0 || !job.data.dataset) return search;
  const { chosen, compensated } = await searchPlan(search, ctx);
  const model = openModelFile(compensated.value.path);
  declareAs(model, job.loaded.model);
  model.sizes = job.loaded.model.sizes;
  const final = await finalMeasure(measuring(job, model, baselineMs), ctx);
  job.clock.mark('measure');
  if (final.latency.verdict === 'met') return search;
  ctx.log(`before recovery: ${final.share.toFixed(3)} of the budget (${final.latency.verdict}): choosing another plan`);
  return { ...search, missed: [{ ...chosen, ratio: remadeFrom(final) * budgetRatio }] };
}

/** Options of the deciding measurement of a model. */
const measuring = ({ request }: Job, result: Model, baselineMs: number): FinalOptions => {
  const { budget, dims, phases, recipe, model } = request;
  return { original: model, result, budget, dims, phases, runs: recipe.latencyRuns, baselineMs };
};

/** @param before a plan measured earlier; null when the search returns to it */
async function makeResult(
  job: Job,
  baselineMs: number,
  search: SearchOptions,
  ctx: StageContext,
  before?: string,
): Promise<Result | null> {
  const { inputs, loaded, source, prepared } = job;
  const { plan, planHash, chosen, compensated } = await searchPlan(search, ctx);
  if (planHash === before) return null;
  await guardCut(prepared, plan, ctx);
  // The original teaches, with all of its tokens.
  const teacher = job.whole ?? inputs.prepared;
  const learned = await recoverAndEvaluate(job, compensated, { ...inputs, prepared: teacher }, ctx);
  const { path } =
    source === loaded.model
      ? learned.model.value
      : (await declareResult.run({ result: learned.model, original: loaded.keyed }, ctx)).value;
  const model = openModelFile(path);
  model.sizes = loaded.model.sizes;
  const sizes = await guardResult(prepared, model, ctx);
  const final = await finalMeasure(measuring(job, model, baselineMs), ctx);
  const recovered = learned.model.key !== compensated.key;
  return { plan, planHash, chosen, learned, recovered, path, model, sizes, final };
}
