/**
 * Inputs of a search for a plan: the original's latency, the latency model, the samples, the scores
 * and the space.
 */
import type { Plan } from '../../shared/model/types.ts';
import { openSpace } from '../engine/allocation/space.ts';
import { planOf, type State } from '../engine/allocation/state.ts';
import { flatNote } from '../engine/latency/flat.ts';
import { applyPlan } from '../engine/structures/apply.ts';
import type { StageContext } from './context.ts';
import { jobLeaf, limitLeaves } from './leaves.ts';
import { baselineOf } from './measure/baseline.ts';
import { latencyStage } from './measure/latency-stage.ts';
import type { Job } from './open-job.ts';
import { drawCalibration } from './prepare/calibration.ts';
import { predictionBias } from './search/prediction-bias.ts';
import { sampleLimits } from './search/sample-limits.ts';
import { scoresStage } from './search/scores.ts';
import type { SearchOptions } from './search-plan.ts';
import { now } from './stage.ts';

const ALREADY_MET = 'The original already meets the budget. Nothing has to be removed.';

/**
 * Measures the original and returns its latency, the budget as a share of it, and the latency model
 * of prunable structures.
 */
export async function measureOriginal(job: Job, notes: string[], ctx: StageContext) {
  const { inputs, beside, clock, held } = job;
  const { budget } = job.request;
  ctx.progress({ stage: 'baseline', message: 'measuring the original', done: 0 });
  const baseline = await baselineOf({ prepared: inputs.timed, budget, compare: beside.compare }, ctx);
  const { baselineMs, spread } = baseline.value;
  beside.expect(baselineMs);
  const budgetRatio = budget.ratio ?? budget.ms! / (baselineMs * spread);
  if (budgetRatio >= 1) notes.unshift(ALREADY_MET);
  clock.mark('baseline');
  ctx.progress({ stage: 'latency', message: 'timing operators', done: 0 });
  const timing = { ...ctx, ...(held.sample && { sample: held.sample }) };
  const latency = await latencyStage({ prepared: inputs.timed, budget, baseline }, timing);
  notes.push(...flatNote(latency.model.tables));
  clock.mark('latency');
  return { baselineMs, spread, budgetRatio, latency };
}
export type MeasuredOriginal = Awaited<ReturnType<typeof measureOriginal>>;

/** Returns the samples, the scores, and the search space with its measuring tools. */
export async function openSearch(
  job: Job,
  { baselineMs, budgetRatio, latency }: MeasuredOriginal,
  notes: string[],
  ctx: StageContext,
): Promise<SearchOptions> {
  const { request, inputs, prepared, beside, loaded, clock } = job;
  const { recipe, budget } = request;
  const counts = sampleLimits(prepared, recipe.calibrationSamples);
  const limits = limitLeaves(counts);
  const drawn = { ...inputs, size: limits.batch };
  const lazy = drawCalibration.later({ ...drawn, count: limits.calibration }, ctx);
  const calibration = await now(lazy);
  const scored = await scoresStage({ ...inputs, calibration: lazy, criterion: inputs.recipe.criterion }, ctx);
  notes.push(...scored.value.notes);
  const { space, start } = openSpace(prepared.structures, scored.value.scores, latency.counts, latency.model, recipe);
  clock.mark('score');
  const component = request.part?.component ?? 'model';
  const plan = (s: State): Plan => ({
    ...planOf(space, s, { [component]: loaded.sha256 }),
    ...(job.tokens && { tokens: job.tokens }),
  });
  const scope = {
    space,
    start,
    cut: (s: State) => applyPlan(prepared, plan(s)),
    compare: beside.compare,
    baselineMs,
    budgetRatio,
    costSeconds: recipe.allocationSeconds,
    bias: predictionBias({ prepared: inputs.timed, budget, recipe: inputs.recipe, budgetRatio }, ctx),
  };
  return {
    prepared: inputs.prepared,
    threads: inputs.threads,
    calibration,
    scored,
    allocation: inputs.recipe.allocation,
    compensation: inputs.recipe.compensation,
    ranking: limits.ranking,
    refit: limits.refit,
    probes: limits.probes,
    rounds: limits.rounds,
    search: jobLeaf(ctx.job, scope),
    beside,
    planOf: plan,
    mark: clock.mark,
  };
}
