/**
 * Prunes one component of a package to a budget on a use of the whole package. The time of the
 * other components is fixed, and the rest of the budget belongs to the component. At the end the
 * use is measured with the pruned component, and that measurement decides.
 */
import type { CompressReport, PackagePart, WorkloadResult } from '../../shared/model/job.ts';
import type { Budget } from '../../shared/model/types.ts';
import { latencyReason } from '../engine/latency/verdict.ts';
import { runCompress } from './compress.ts';
import type { StageContext } from './context.ts';
import { finalUse } from './measure/final-use.ts';
import { shareOf, useBefore } from './measure/use.ts';
import { measureWorkload } from './measure/workload.ts';
import { openComponent, type PartRequest } from './open-component.ts';

/** Runs per phase in the measurement from which the component's share of the budget is derived. */
const RUNS = 30;

/**
 * @throws 'workload-metric'; 'workload-component' when the component has no part in the metric or
 * the other components alone exceed the budget; errors of `runCompress`
 */
export async function compressComponent(request: PartRequest, ctx: StageContext): Promise<CompressReport> {
  const { part, budget } = request;
  const { pkg, metric, own } = openComponent(request);
  ctx.progress({ stage: 'load', message: 'measuring one use of the package', done: 0 });
  const { phases } = await measureWorkload(pkg.workload, pkg.fileOf, { ...budget, runs: RUNS }, ctx);
  const ratio = shareOf(phases, metric, part.component, budget);
  ctx.log(`${part.component} may take ${(100 * ratio).toFixed(1)} % of its time for the budget on ${metric.name}`);
  const found = await runCompress(
    { ...own, budget: { ...conditionsOf(budget), ratio } },
    ctx,
    async (report, pruned) => {
      const { latencyRuns: runs } = request.recipe;
      return judged(report, await finalUse(pkg, { part, metric, budget, pruned, runs }, ctx));
    },
  );
  return forUse(found, useBefore(phases, metric, part), part, budget);
}

const conditionsOf = ({ percentile, batch, threads, provider }: Budget): Omit<Budget, 'ms' | 'ratio'> => ({
  percentile,
  batch,
  threads,
  provider,
});

/**
 * Adds to the report of an unreachable budget the effect of the component's largest cut on the use.
 * @internal
 */
export function forUse(
  report: CompressReport,
  { use, ownMs }: ReturnType<typeof useBefore>,
  { component, metric }: PackagePart,
  budget: Pick<Budget, 'ms' | 'ratio'>,
): CompressReport {
  const { unreachable } = report;
  if (!unreachable) return report;
  const beforeMs = use.othersMs + ownMs;
  const bestMs = use.othersMs + (ownMs * unreachable.bestMs) / report.baseline.p50Ms;
  const budgetMs = budget.ms ?? budget.ratio! * beforeMs;
  const reason = `The budget cannot be reached: with the largest cut of ${component}, ${metric} is about ${bestMs.toPrecision(3)} ms, and the budget is ${budgetMs.toPrecision(3)} ms.`;
  return {
    ...report,
    reasons: [reason, ...(report.reasons ?? []).slice(1)],
    unreachable: { ...unreachable, use: { component, metric, beforeMs, bestMs, budgetMs } },
  };
}

/**
 * Replaces the verdict on the budget by that of the use; the quality of the component was judged
 * before. @internal
 */
export function judged(report: CompressReport, workload: WorkloadResult): CompressReport {
  const own = report.latency && latencyReason(report.latency);
  const others = (report.reasons ?? []).filter((r) => r !== own);
  const reason = latencyReason(workload.latency);
  const reasons = [...others, ...(reason ? [reason] : [])];
  return { ...report, workload, met: reason === null, accepted: reasons.length === 0, reasons };
}
