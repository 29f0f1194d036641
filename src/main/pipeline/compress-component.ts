/**
 * Prunes one component of a package under a budget on a use of the whole package. The other components take what they
 * take; the rest of the budget is the component's. In the end the use is measured with the pruned component, and that
 * measurement decides.
 */
import type { CompressReport, CompressRequest, PackagePart, WorkloadResult } from '../../shared/model/job.ts';
import type { Metric, PhaseTime, Workload } from '../../shared/model/package.ts';
import type { Budget } from '../../shared/model/types.ts';
import { SecateurError } from '../../shared/contract/errors.ts';
import { latencyReason, latencyVerdict, planFinal } from '../engine/latency/verdict.ts';
import type { CandidateResult } from '../runtime/bench.ts';
import { runCompress } from './compress.ts';
import type { StageContext } from './context.ts';
import type { MeasureInput } from './measure/measure.ts';
import { atPercentile } from './measure/paired-benchmark.ts';
import { measureWorkload } from './measure/workload.ts';
import { openPackage, type OpenedPackage } from './prepare/open-package.ts';

type PartRequest = CompressRequest & { readonly part: PackagePart };

/** Below this share of the component's own time no cut is tried. */
const LEAST_SHARE = 0.02;
/** Runs of each phase of the measurement that the component's share of the budget is derived from. */
const RUNS = 30;

/**
 * @throws 'workload-metric', 'workload-component' where the component has no part in the metric or the others alone take
 *   the budget, and what `runCompress` throws
 */
export async function compressComponent(request: PartRequest, ctx: StageContext): Promise<CompressReport> {
  const { part, budget } = request;
  const pkg = openPackage(part.package, { settings: part.settings, family: request.family, dims: request.dims });
  const metric = metricOf(pkg.workload, part.metric);
  ctx.progress({ stage: 'load', message: 'measuring one use of the package', done: 0 });
  const { phases } = await measureWorkload(pkg.workload, pkg.fileOf, { ...budget, runs: RUNS });
  const { ratio, main } = shareOf(phases, metric, part.component, budget);
  ctx.log(`${part.component} may take ${(100 * ratio).toFixed(1)} % of its time for the budget on ${metric.name}`);
  const report = await runCompress(
    {
      ...request,
      model: pkg.fileOf(part.component),
      budget: { ...conditionsOf(budget), ratio },
      dims: main.dims,
    },
    ctx,
  );
  if (report.model === null) return report;
  const workload = await measureUse(pkg, metric, { ...request, pruned: report.model, runs: request.recipe.latencyRuns }, ctx); // prettier-ignore
  return judged(report, workload);
}

function metricOf({ metrics }: Workload, name: string): Metric {
  const metric = metrics.find((m) => m.name === name);
  if (!metric)
    throw new SecateurError('workload-metric', { metric: name, known: metrics.map((m) => m.name).join(', ') });
  return metric;
}

const conditionsOf = ({ percentile, batch, threads, provider }: Budget): Omit<Budget, 'ms' | 'ratio'> => ({
  percentile,
  batch,
  threads,
  provider,
});

/** Share of the component's own time that the budget leaves it, and its phase that takes the most of it. @internal */
export function shareOf(
  phases: readonly PhaseTime[],
  metric: Metric,
  component: string,
  budget: Pick<Budget, 'ms' | 'ratio' | 'percentile'>,
): { readonly ratio: number; readonly main: PhaseTime } {
  const timeOf = (p: PhaseTime): number => (metric.weights[p.name] ?? 0) * atPercentile(p.latency, budget.percentile);
  const sum = (list: readonly PhaseTime[]): number => list.reduce((t, p) => t + timeOf(p), 0);
  const own = phases.filter((p) => p.component === component && timeOf(p) > 0);
  const refuse = (reason: string): never => {
    throw new SecateurError('workload-component', { component, reason });
  };
  if (own.length === 0) refuse(`it has no part in ${metric.name}`);
  const [all, mine] = [sum(phases), sum(own)];
  const goal = budget.ms ?? budget.ratio! * all;
  const ratio = (goal - (all - mine)) / mine;
  if (ratio < LEAST_SHARE)
    refuse(`the other components alone take ${(all - mine).toFixed(2)} ms, and the budget on ${metric.name} is ${goal.toFixed(2)} ms`); // prettier-ignore
  const main = own.reduce((a, b) => (timeOf(b) > timeOf(a) ? b : a));
  return { ratio: Math.min(ratio, 1), main };
}

interface UseOptions extends PartRequest {
  /** File of the pruned component. */
  readonly pruned: string;
  readonly runs: number;
}

/** One use with the original component and with the pruned one, interleaved; as long as was set before. */
async function measureUse(
  pkg: OpenedPackage,
  metric: Metric,
  { part, budget, pruned, runs }: UseOptions,
  ctx: Pick<StageContext, 'inSubprocess' | 'progress'>,
): Promise<WorkloadResult> {
  const used = pkg.workload.phases.filter((p) => metric.weights[p.name]);
  const before = used.map((p) => ({ name: p.name, model: pkg.fileOf(p.component), dims: p.dims }));
  const changed = used.filter((p) => p.component === part.component);
  const models = [...before, ...changed.map((p) => ({ name: p.name, model: pruned, dims: p.dims }))];
  const { threads, provider, batch, percentile } = budget;
  const plan = planFinal(runs, percentile, Infinity);
  const times: { before: number; after: number }[] = [];
  for (let i = 0; i < plan.openings; i++) {
    ctx.progress({ stage: 'measure', message: `one use of the package, before and after (${i + 1} of ${plan.openings})`, done: i / plan.openings }); // prettier-ignore
    const options = { threads, provider, batch, warmup: 3, runs: plan.runs, precision: Infinity, minSeconds: 1, maxSeconds: Infinity }; // prettier-ignore
    const seen = (await ctx.inSubprocess('measure', { models, options } satisfies MeasureInput)) as CandidateResult[];
    times.push(useTimes(used.map((p) => p.name), metric, seen, changed.map((p) => p.name), percentile)); // prettier-ignore
  }
  const mean = (f: (t: (typeof times)[number]) => number): number => times.reduce((s, t) => s + f(t), 0) / times.length;
  const beforeMs = mean((t) => t.before);
  const shares = times.map((t) => t.after / (budget.ms ?? budget.ratio! * t.before));
  return {
    ...part,
    about: pkg.workload.about,
    beforeMs,
    afterMs: mean((t) => t.after),
    budgetMs: budget.ms ?? budget.ratio! * beforeMs,
    latency: latencyVerdict(shares),
  };
}

/** @param seen the phases of the originals, then those of the pruned component */
function useTimes(
  names: readonly string[],
  metric: Metric,
  seen: readonly CandidateResult[],
  changed: readonly string[],
  percentile: Budget['percentile'],
): { before: number; after: number } {
  const at = (i: number, name: string): number => metric.weights[name]! * atPercentile(seen[i]!.stats, percentile);
  let [before, after] = [0, 0];
  names.forEach((name, i) => {
    before += at(i, name);
    const pruned = changed.indexOf(name);
    after += pruned < 0 ? at(i, name) : at(names.length + pruned, name);
  });
  return { before, after };
}

/** The use decides about the budget; the quality of the component was judged before. @internal */
export function judged(report: CompressReport, workload: WorkloadResult): CompressReport {
  const own = report.latency && latencyReason(report.latency);
  const others = (report.reasons ?? []).filter((r) => r !== own);
  const reason = latencyReason(workload.latency);
  const reasons = [...others, ...(reason ? [reason] : [])];
  return { ...report, workload, met: reason === null, accepted: reasons.length === 0, reasons };
}
