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
  { workload, fileOf }: OpenedPackage,
  { part, metric, budget, pruned, runs }: FinalUse,
  ctx: Pick<StageContext, 'inSubprocess' | 'progress'>,
): Promise<WorkloadResult> {
  const after = { workload, fileOf: (id: string) => (id === part.component ? pruned : fileOf(id)) };
  return { ...part, about: workload.about, ...(await finalUses({ workload, fileOf }, after, { metric, budget, runs }, ctx)) }; // prettier-ignore
}

/** One use of a package, with the files of its components. */
type UseOf = Pick<OpenedPackage, 'workload' | 'fileOf'>;

/** Measures one use of two packages with the same phases, interleaved, in several fresh processes. */
export async function finalUses(
  before: UseOf,
  after: UseOf,
  { metric, budget, runs }: { readonly metric: Metric; readonly budget: Budget; readonly runs: number },
  ctx: Pick<StageContext, 'inSubprocess' | 'progress'>,
): Promise<ReturnType<typeof judgeUse>> {
  const counted = ({ workload, fileOf }: UseOf): MeasureInput['models'][number][] =>
    workload.phases
      .filter((p) => metric.weights[p.name])
      .map((p) => ({ name: p.name, model: fileOf(p.component), dims: p.dims }));
  const [first, second] = [counted(before), counted(after)];
  const same = second.map((m, i) => JSON.stringify(m) === JSON.stringify(first[i]));
  const models = [...first, ...second.filter((_, i) => !same[i])];
  const { threads, provider, batch, percentile } = budget;
  const plan = planFinal(runs, percentile, Infinity);
  const options: MeasureInput['options'] = { threads, provider, batch, warmup: 3, runs: plan.runs, precision: Infinity, minSeconds: 1, maxSeconds: Infinity }; // prettier-ignore
  const components = before.workload.phases.filter((p) => metric.weights[p.name]).map((p) => p.component);
  const openings: PhaseChange[][] = [];
  for (let i = 0; i < plan.openings; i++) {
    ctx.progress({ stage: 'measure', message: `one use of the package, before and after (${i + 1} of ${plan.openings})`, done: i / plan.openings }); // prettier-ignore
    const seen = (await ctx.inSubprocess('measure', { models, options } satisfies MeasureInput)) as CandidateResult[];
    let next = first.length;
    openings.push(
      first.map(({ name }, at) => {
        const weight = metric.weights[name!]!;
        const beforeMs = weight * atPercentile(seen[at]!.stats, percentile);
        const afterMs = same[at] ? beforeMs : weight * atPercentile(seen[next++]!.stats, percentile);
        return { name: name!, component: components[at]!, weight, beforeMs, afterMs };
      }),
    );
  }
  return judgeUse(openings, budget);
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
