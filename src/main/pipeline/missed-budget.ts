/** Tells before all costly steps whether a budget is out of reach. */
import type { CompressReport } from '../../shared/model/job.ts';
import { isWithin } from '../engine/allocation/fit-budget.ts';
import { leastState } from '../engine/allocation/space.ts';
import { predictMs } from '../engine/allocation/state.ts';
import type { StageContext } from './context.ts';
import { measureOf, reportHead, unreachable } from './evaluate/report.ts';
import { leastMeasure } from './measure/paired-benchmark.ts';
import type { Job } from './open-job.ts';
import type { MeasuredOriginal } from './open-search.ts';
import { tidy } from './prepare/prepare.ts';
import type { SearchOptions } from './search-plan.ts';

/** A prediction below this share of the budget is accepted without a measurement. */
const PLAIN = 0.75;

/**
 * Returns the report when even the largest cut misses the budget, else null. Runs before all costly
 * steps, and measures only when the prediction is inconclusive.
 */
export async function missedByAll(
  job: Job,
  { baselineMs, spread, budgetRatio }: MeasuredOriginal,
  { search }: SearchOptions,
  ctx: StageContext,
): Promise<Omit<CompressReport, 'notes'> | null> {
  const { loaded, beside, clock } = job;
  const { space, start, cut } = search.value;
  const fastest = leastState(space, start);
  if (predictMs(space, fastest) <= PLAIN * budgetRatio * baselineMs) return null;
  const { model: least } = cut(fastest);
  tidy(least);
  const smallest = await leastMeasure(least, beside.compare, budgetRatio);
  if (isWithin(smallest.ratio / budgetRatio)) return null;
  return {
    ...reportHead(job, ctx),
    ...(await unreachable(job, { least, ratio: smallest.ratio, bestMs: smallest.pruned.p50Ms })),
    budgetMs: budgetRatio * baselineMs * spread,
    baseline: await measureOf(loaded.model, loaded.bytes, smallest.original, null, job, ctx),
    seconds: clock.seconds(),
  };
}
