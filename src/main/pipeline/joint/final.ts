/** The measurement that decides about a budget on a whole package, for a length that is set in advance. */
import type { PhaseChange } from '../../../shared/model/job.ts';
import type { Metric } from '../../../shared/model/package.ts';
import type { Budget } from '../../../shared/model/types.ts';
import { planFinal } from '../../engine/latency/verdict.ts';
import type { CandidateResult } from '../../runtime/bench.ts';
import type { StageContext } from '../context.ts';
import { judgeUse } from '../measure/final-use.ts';
import type { MeasureInput } from '../measure/measure.ts';
import { atPercentile } from '../measure/paired-benchmark.ts';
import type { Use } from '../tokens/measure-uses.ts';

export type PackageVerdict = ReturnType<typeof judgeUse>;

/** Measures one use of two packages with the same phases, interleaved, in several fresh processes. */
export async function finalUses(
  before: Use,
  after: Use,
  { metric, budget, runs }: { readonly metric: Metric; readonly budget: Budget; readonly runs: number },
  ctx: Pick<StageContext, 'inSubprocess' | 'progress'>,
): Promise<PackageVerdict> {
  const counted = ({ workload, fileOf }: Use): MeasureInput['models'][number][] =>
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
