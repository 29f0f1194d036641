/**
 * Latency of a workload: every phase measured interleaved with the others, and the metrics as their weighted sums. A
 * component is opened once, however many phases it has.
 */
import type { MetricTime, PhaseTime, Workload } from '../../../shared/model/package.ts';
import type { Model } from '../../engine/ir/model.ts';
import { benchmark, openCandidate } from '../../runtime/bench.ts';
import type { RuntimeSession } from '../../runtime/executor.ts';
import { randomFeeds } from '../../runtime/random-inputs.ts';
import { openModelFile } from '../../storage/model-files.ts';

export interface WorkloadMeasure {
  readonly provider: string;
  readonly threads: number;
  readonly runs: number;
  readonly onPhase?: (name: string) => void;
}

/** For each phase, at least and at most. */
const SECONDS = [1, 10] as const;

/**
 * @param fileOf absolute path of a component
 * @throws 'runtime-rejected' where a phase does not run
 */
export async function measureWorkload(
  { phases, metrics }: Workload,
  fileOf: (component: string) => string,
  o: WorkloadMeasure,
): Promise<{ readonly phases: readonly PhaseTime[]; readonly metrics: readonly MetricTime[] }> {
  const sessions = new Map<string, RuntimeSession>();
  const models = new Map<string, Model>();
  try {
    const candidates = [];
    for (const phase of phases) {
      o.onPhase?.(phase.name);
      const file = fileOf(phase.component);
      if (!sessions.has(file)) {
        models.set(file, openModelFile(file));
        sessions.set(file, await openCandidate(file, o));
      }
      candidates.push({ name: phase.name, model: file, session: sessions.get(file)!, feeds: randomFeeds(models.get(file)!, { dims: phase.dims }) }); // prettier-ignore
    }
    const { provider, threads, runs } = o;
    const results = await benchmark(candidates, {
      provider,
      threads,
      runs,
      minSeconds: SECONDS[0] * phases.length,
      maxSeconds: SECONDS[1] * phases.length,
      whole: true,
    });
    const timed = phases.map((p, i) => ({ ...p, latency: results[i]!.stats }));
    return { phases: timed, metrics: metricTimes(metrics, timed) };
  } finally {
    for (const s of sessions.values()) await s.release();
  }
}

/** Weighted sums of the medians; the noise of independent phases adds up in squares. @internal */
export function metricTimes(metrics: Workload['metrics'], phases: readonly PhaseTime[]): MetricTime[] {
  return metrics.map(({ name, about, weights }) => {
    let [ms, square] = [0, 0];
    for (const p of phases) {
      const weight = weights[p.name] ?? 0;
      ms += weight * p.latency.p50Ms;
      square += (weight * p.latency.noiseMs) ** 2;
    }
    return { name, about, ms, noiseMs: Math.sqrt(square) };
  });
}
