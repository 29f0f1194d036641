/**
 * Latency of a workload: all phases measured interleaved, and the metrics as their weighted sums.
 */
import type { MetricTime, PhaseTime, Workload } from '../../../shared/model/package.ts';
import { sumStats } from '../../engine/latency/phases.ts';
import type { CandidateResult } from '../../runtime/bench.ts';
import type { StageContext } from '../context.ts';
import type { MeasureInput } from './measure.ts';

export interface WorkloadMeasure {
  readonly provider: string;
  readonly threads: number;
  readonly runs: number;
}

/** Shortest and longest measurement per phase, in seconds. */
const SECONDS = [1, 10] as const;

/**
 * Measures in a process that does nothing else.
 * @param fileOf returns the absolute path of a component
 * @throws 'runtime-rejected' when a phase does not run
 */
export async function measureWorkload(
  { phases, metrics }: Workload,
  fileOf: (component: string) => string,
  { provider, threads, runs }: WorkloadMeasure,
  ctx: Pick<StageContext, 'inSubprocess'>,
): Promise<{ readonly phases: readonly PhaseTime[]; readonly metrics: readonly MetricTime[] }> {
  const input: MeasureInput = {
    models: phases.map((p) => ({ name: p.name, model: fileOf(p.component), dims: p.dims })),
    options: {
      provider,
      threads,
      runs,
      minSeconds: SECONDS[0] * phases.length,
      maxSeconds: SECONDS[1] * phases.length,
      whole: true,
    },
  };
  const results = (await ctx.inSubprocess('measure', input)) as readonly CandidateResult[];
  const timed = phases.map((p, i) => ({ ...p, latency: results[i]!.stats }));
  return { phases: timed, metrics: metricTimes(metrics, timed) };
}

/** Weighted sums of the medians. The noise of independent phases adds in squares. */
export function metricTimes(metrics: Workload['metrics'], phases: readonly PhaseTime[]): MetricTime[] {
  const stats = phases.map((p) => p.latency);
  return metrics.map(({ name, about, weights }) => {
    const { p50Ms, noiseMs } = sumStats(
      stats,
      phases.map((p) => weights[p.name] ?? 0),
    );
    return { name, about, ms: p50Ms, noiseMs };
  });
}
