/**
 * The measurement that decides about a budget on a use of a package: the use before and after
 * pruning, for a length set in advance.
 */
import type { PackagePart, PhaseChange, WorkloadResult } from '../../../shared/model/job.ts';
import type { Metric } from '../../../shared/model/package.ts';
import type { Budget } from '../../../shared/model/types.ts';
import { latencyVerdict, planFinal } from '../../engine/latency/verdict.ts';
import type { CandidateResult } from '../../runtime/bench.ts';
import type { StageContext } from '../context.ts';
import type { OpenedPackage } from '../prepare/open-package.ts';
import type { MeasureInput } from './measure.ts';
import { atPercentile } from './paired-benchmark.ts';

export interface FinalUse {
  readonly part: PackagePart;
  readonly metric: Metric;
  readonly budget: Budget;
  /** Path of the pruned component. */
  readonly pruned: string;
  /** Number of runs that the recipe asks for. */
  readonly runs: number;
}

/**
 * Measures one use with the original component and with the pruned one, interleaved, in several
 * fresh processes.
 */
export async function finalUse(
  pkg: OpenedPackage,
  { part, metric, budget, pruned, runs }: FinalUse,
  ctx: Pick<StageContext, 'inSubprocess' | 'progress'>,
): Promise<WorkloadResult> {
  const phases = pkg.workload.phases.filter((p) => metric.weights[p.name]);
  const changed = phases.filter((p) => p.component === part.component);
  const models = [
    ...phases.map((p) => ({ name: p.name, model: pkg.fileOf(p.component), dims: p.dims })),
    ...changed.map((p) => ({ name: p.name, model: pruned, dims: p.dims })),
  ];
  const { threads, provider, batch, percentile } = budget;
  const plan = planFinal(runs, percentile, Infinity);
  const openings: PhaseChange[][] = [];
  for (let i = 0; i < plan.openings; i++) {
    ctx.progress({ stage: 'measure', message: `one use of the package, before and after (${i + 1} of ${plan.openings})`, done: i / plan.openings }); // prettier-ignore
    const options = { threads, provider, batch, warmup: 3, runs: plan.runs, precision: Infinity, minSeconds: 1, maxSeconds: Infinity }; // prettier-ignore
    const seen = (await ctx.inSubprocess('measure', { models, options } satisfies MeasureInput)) as CandidateResult[];
    const after = seen.slice(phases.length);
    openings.push(
      phases.map(({ name, component }, at) => {
        const weight = metric.weights[name]!;
        const beforeMs = weight * atPercentile(seen[at]!.stats, percentile);
        const own = changed.findIndex((p) => p.name === name);
        const afterMs = own < 0 ? beforeMs : weight * atPercentile(after[own]!.stats, percentile);
        return { name, component, weight, beforeMs, afterMs };
      }),
    );
  }
  return { ...part, about: pkg.workload.about, ...judgeUse(openings, budget) };
}

/**
 * The verdict on several openings of a use.
 * @param openings the phases of each
 * @internal
 */
export function judgeUse(
  openings: readonly (readonly PhaseChange[])[],
  { ms, ratio }: Pick<Budget, 'ms' | 'ratio'>,
): Omit<WorkloadResult, keyof PackagePart | 'about'> {
  const sum = (phases: readonly PhaseChange[], of: 'beforeMs' | 'afterMs'): number =>
    phases.reduce((total, p) => total + p[of], 0);
  const phases = openings[0]!.map((p, at): PhaseChange => {
    const mean = (of: 'beforeMs' | 'afterMs'): number =>
      openings.reduce((total, o) => total + o[at]![of], 0) / openings.length;
    return { ...p, beforeMs: mean('beforeMs'), afterMs: mean('afterMs') };
  });
  const beforeMs = sum(phases, 'beforeMs');
  const goal = (before: number): number => ms ?? ratio! * before;
  const shares = openings.map((o) => sum(o, 'afterMs') / goal(sum(o, 'beforeMs')));
  return {
    phases,
    beforeMs,
    afterMs: sum(phases, 'afterMs'),
    budgetMs: goal(beforeMs),
    latency: latencyVerdict(shares),
  };
}
