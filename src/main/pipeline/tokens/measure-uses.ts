/** One use of several packages that share components, measured interleaved. */
import type { Ratio, UseTime } from '../../../shared/model/fewer-tokens.ts';
import type { PhaseTime, Workload } from '../../../shared/model/package.ts';
import type { LatencyStats } from '../../../shared/model/types.ts';
import type { CandidateResult } from '../../runtime/bench.ts';
import { median } from '../../runtime/statistics.ts';
import type { StageContext } from '../context.ts';
import type { MeasureInput } from '../measure/measure.ts';
import { statsTogether } from '../measure/paired-benchmark.ts';
import { metricTimes } from '../measure/workload.ts';

/** One use of a package. */
export interface Use {
  readonly workload: Workload;
  /** Path of a component's file. */
  readonly fileOf: (component: string) => string;
}

export interface MeasuredUse extends UseTime {
  /** Ratios of phases and metrics to those of the first use, where both have them. */
  readonly ratios: readonly Ratio[];
}

/** Stands for a use that is not measured. */
export const UNMEASURED: MeasuredUse = { phases: [], metrics: [], ratios: [] };

/** Fresh processes: the memory position of a session makes a model some percent faster or slower while it is open. */
const OPENINGS = 3;
/** Runs per opening, and shortest and longest seconds per candidate and opening. */
const RUNS = 30;
const SECONDS = [0.2, 1] as const;
/** Half-width of a ratio that is precise enough: openings differ by as much. */
const PRECISION = 0.02;
/** Longest seconds of an opening, however many candidates there are. Each candidate runs six times at least. */
const LONGEST = 20;
/** No opening begins after so many seconds. */
const ENOUGH = 60;

/**
 * A component at the same sizes is measured once for all uses, so that its share of two uses is the same figure.
 * @throws 'runtime-rejected' when a phase does not run
 */
export async function measureUses(
  uses: readonly Use[],
  { provider, threads }: { readonly provider: string; readonly threads: number },
  ctx: Pick<StageContext, 'inSubprocess' | 'progress'>,
): Promise<MeasuredUse[]> {
  const models: MeasureInput['models'][number][] = [];
  const numbers = new Map<string, number>();
  const at = uses.map(({ workload, fileOf }) =>
    workload.phases.map(({ name, component, dims }) => {
      const model = fileOf(component);
      const key = JSON.stringify([model, Object.entries(dims).sort()]);
      const known = numbers.get(key);
      if (known !== undefined) return known;
      numbers.set(key, models.length);
      return models.push({ name, model, dims }) - 1;
    }),
  );
  const options: MeasureInput['options'] = {
    provider,
    threads,
    runs: RUNS,
    precision: PRECISION,
    minSeconds: Math.min(LONGEST, SECONDS[0] * models.length),
    maxSeconds: Math.min(LONGEST, SECONDS[1] * models.length),
    whole: true,
  };
  const openings: LatencyStats[][] = [];
  const begun = performance.now();
  for (let i = 0; i < OPENINGS && (i === 0 || performance.now() - begun < ENOUGH * 1000); i++) {
    ctx.progress({ stage: 'measure', message: `one use of the package, before and after (${i + 1} of ${OPENINGS})`, done: i / OPENINGS }); // prettier-ignore
    const seen = (await ctx.inSubprocess('measure', { models, options } satisfies MeasureInput)) as CandidateResult[];
    openings.push(seen.map((r) => r.stats));
  }
  const together = models.map((_, m) => statsTogether(openings.map((o) => o[m]!)));
  const timed = (u: number, stats: readonly LatencyStats[]): PhaseTime[] =>
    uses[u]!.workload.phases.map((p, i) => ({ ...p, latency: stats[at[u]![i]!]! }));
  return uses.map(({ workload }, u) => {
    const phases = timed(u, together);
    return {
      phases: phases.map(({ name, component, repeat, latency }) => ({ name, component, repeat, ms: latency.p50Ms })),
      metrics: metricTimes(workload.metrics, phases),
      ratios: ratios(
        openings.map((o) => [namedTimes(workload, timed(u, o)), namedTimes(uses[0]!.workload, timed(0, o))]),
      ),
    };
  });
}

interface Time {
  readonly ms: number;
  readonly noiseMs: number;
}

const namedTimes = ({ metrics }: Workload, phases: readonly PhaseTime[]): Map<string, Time> =>
  new Map<string, Time>([
    ...phases.map(({ name, latency }): [string, Time] => [name, { ms: latency.p50Ms, noiseMs: latency.noiseMs }]),
    ...metricTimes(metrics, phases).map((m): [string, Time] => [m.name, m]),
  ]);

/**
 * Medians over openings of [after, before], so that one disturbed process decides nothing. The noise is at least the
 * difference between openings.
 * @internal
 */
export function ratios(
  openings: readonly (readonly [ReadonlyMap<string, Time>, ReadonlyMap<string, Time>])[],
): Ratio[] {
  const n = openings.length;
  const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;
  return [...openings[0]![0].keys()].flatMap((name) => {
    if (!openings[0]![1].has(name)) return [];
    const pairs = openings.map(([after, before]) => [after.get(name)!, before.get(name)!] as const);
    const each = pairs.map(([a, b]) => a.ms / b.ms);
    const ratio = median(each);
    const spread = Math.sqrt(mean(each.map((r) => (r - ratio) ** 2)) / Math.max(1, n - 1));
    // A phase that both share was measured once.
    const isShared = (a: Time, b: Time): boolean => a.ms === b.ms && a.noiseMs === b.noiseMs;
    const own = mean(
      pairs.map(([a, b], i) => (isShared(a, b) ? 0 : each[i]! * Math.hypot(a.noiseMs / a.ms, b.noiseMs / b.ms))),
    );
    return [{ name, ratio, noise: Math.max(2 * spread, own / Math.sqrt(n)) }];
  });
}
