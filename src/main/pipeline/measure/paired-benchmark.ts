/** Measures the original and a pruned model in the same run. Only such figures are comparable. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CompressRequest } from '../../../shared/model/job.ts';
import type { Budget, LatencyStats } from '../../../shared/model/types.ts';
import { cloneModel } from '../../engine/ir/clone.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { TimedPhase } from '../../engine/latency/phases.ts';
import { benchmark, openCandidate, type BenchOptions, type CandidateResult } from '../../runtime/bench.ts';
import type { RuntimeSession } from '../../runtime/executor.ts';
import { saveModelFile } from '../../storage/model-files.ts';
import { scratchFolder } from '../../storage/scratch.ts';
import type { StageContext } from '../context.ts';
import { withFeeds, type MeasureInput } from './measure.ts';
import { foldPhases, perPhase } from './phases.ts';

export interface Pair {
  readonly original: LatencyStats;
  readonly pruned: LatencyStats;
  /** Pruned over original: the quotient of the medians of interleaved rounds. */
  readonly ratio: number;
  /** The figures of each phase; absent without phases. */
  readonly phases?: readonly PhasePair[];
}

/** The original's latency in one phase, in milliseconds, and the ratio there. */
export interface PhasePair {
  readonly originalMs: number;
  readonly ratio: number;
}

export interface CompareOptions {
  /** Half-width of the ratio's interval at which a measurement ends; default 0.005. */
  readonly precision?: number;
  /** The measurement also ends when the ratio's whole interval lies in this band; default: none. */
  readonly band?: readonly [number, number];
  /** Longest duration in seconds; default 3. */
  readonly maxSeconds?: number;
  /**
   * Shortest duration in seconds, whatever the precision, because one moment is not representative
   * of the minutes around it. Default 0.
   */
  readonly minSeconds?: number;
  /** Runs before the first that counts; default 3. */
  readonly warmup?: number;
  /** Least number of runs per model; default 12. Quantiles of a report need more. */
  readonly runs?: number;
  /**
   * Number of times both models are opened anew, each in a process of its own and with the full
   * effort; default 1. The memory position of a session makes a model some percent faster or slower
   * while it is open, and no number of runs averages that out.
   */
  readonly openings?: number;
  /** Whether the original's milliseconds are needed too, not only the ratio; default true. */
  readonly absolute?: boolean;
}

export type Compare = (pruned: Model, options?: CompareOptions) => Promise<Pair>;

export interface PairedBenchmark {
  readonly compare: Compare;
  /** Sets the original's latency as found by an earlier job. */
  expect(baselineMs: number): void;
  /** Closes the original, which is opened again at the next comparison. */
  close(): Promise<void>;
}

/**
 * Opens the benchmark of an original, given by its file. A single measurement of a slow model runs
 * in this process, where the original stays open, because opening takes longer than measuring.
 * @param o.dims sizes of the dynamic axes besides the batch
 * @param o.phases phases of a component of a package: both models are measured in all of them, and
 * the figures are weighted sums
 * @param declare gives a working copy the inputs and outputs with which it will be shipped
 */
export function openPairedBenchmark(
  { model: original, budget, dims = {}, phases }: PairedRequest,
  ctx: Pick<StageContext, 'inSubprocess'>,
  declare: (m: Model) => void = () => undefined,
): PairedBenchmark {
  const { threads, provider, batch } = budget;
  let opened: RuntimeSession | null = null;
  let slow = false;
  const compare: Compare = async (working, o = {}) => {
    const { precision = 0.005, band, maxSeconds = 3, minSeconds = 0, warmup = 3, runs = 12 } = o;
    const { openings = 1, absolute = true } = o;
    const { model: pruned } = cloneModel(working);
    declare(pruned);
    const options: BenchOptions = {
      threads,
      provider,
      batch,
      dims,
      runs,
      precision,
      // With several phases, no ratio to the first candidate is the ratio of the models.
      ...(band && (phases?.length ?? 1) === 1 && { band }),
      minSeconds,
      maxSeconds,
      absolute,
      warmup,
    };
    const pairs: Pair[] = [];
    const take = (results: readonly CandidateResult[]): void => {
      pairs.push(pairOf(results, phases));
      slow = results[0]!.stats.p50Ms > SLOW_MS;
    };
    if (slow && openings === 1) {
      const session = (opened ??= await openCandidate(original, { threads, provider }));
      const other = await openCandidate(pruned, { threads, provider });
      try {
        const candidates = [
          ...perPhase({ name: 'original', model: original, session }, phases),
          ...perPhase({ name: 'pruned', model: pruned, session: other }, phases),
        ];
        take(await benchmark(candidates.map(withFeeds), options));
      } finally {
        await other.release();
      }
      return pairs[0]!;
    }
    const folder = await scratchFolder();
    try {
      const file = join(folder, 'model.onnx');
      saveModelFile(pruned, file);
      const models = [
        ...perPhase({ name: 'original', model: original }, phases),
        ...perPhase({ name: 'pruned', model: file }, phases),
      ];
      for (let i = 0; i < openings; i++)
        take((await ctx.inSubprocess('measure', { models, options } satisfies MeasureInput)) as CandidateResult[]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    return together(pairs);
  };
  return {
    compare,
    expect: (baselineMs) => void (slow = baselineMs > SLOW_MS),
    async close() {
      const session = opened;
      opened = null;
      await session?.release();
    },
  };
}

type PairedRequest = Pick<CompressRequest, 'model' | 'budget' | 'dims'> & {
  readonly phases?: readonly TimedPhase[] | undefined;
};

/** @param results results of the original in every phase, then of the pruned model */
function pairOf(results: readonly CandidateResult[], phases: readonly TimedPhase[] | undefined): Pair {
  const [original, pruned] = foldPhases(results, phases);
  return {
    original: original!.stats,
    pruned: pruned!.stats,
    ratio: pruned!.ratio.value,
    ...(phases && {
      phases: phases.map((_, i) => ({
        originalMs: results[i]!.stats.p50Ms,
        ratio: results[phases.length + i]!.ratio.value / results[i]!.ratio.value,
      })),
    }),
  };
}

/** Means over openings. The noise is at least the difference between openings. */
function together(pairs: readonly Pair[]): Pair {
  return {
    original: statsTogether(pairs.map((p) => p.original)),
    pruned: statsTogether(pairs.map((p) => p.pruned)),
    ratio: pairs.reduce((n, p) => n + p.ratio, 0) / pairs.length,
    ...(pairs[0]!.phases && {
      phases: pairs[0]!.phases.map((_, i) => {
        const mean = (of: keyof PhasePair): number => pairs.reduce((n, p) => n + p.phases![i]![of], 0) / pairs.length;
        return { originalMs: mean('originalMs'), ratio: mean('ratio') };
      }),
    }),
  };
}

/** @param all figures of one model, one per opening */
export function statsTogether(all: readonly LatencyStats[]): LatencyStats {
  const mean = (f: (s: LatencyStats) => number): number => all.reduce((n, s) => n + f(s), 0) / all.length;
  const p50Ms = mean((s) => s.p50Ms);
  const spread = Math.sqrt(mean((s) => (s.p50Ms - p50Ms) ** 2) / Math.max(1, all.length - 1));
  return {
    ...all[0]!,
    p50Ms,
    p90Ms: mean((s) => s.p90Ms),
    p95Ms: mean((s) => s.p95Ms),
    p99Ms: mean((s) => s.p99Ms),
    meanMs: mean((s) => s.meanMs),
    minMs: Math.min(...all.map((s) => s.minMs)),
    stdMs: mean((s) => s.stdMs),
    noiseMs: Math.max(2 * spread, mean((s) => s.noiseMs) / Math.sqrt(all.length)),
    runs: all.reduce((n, s) => n + s.runs, 0),
  };
}

export const atPercentile = (s: LatencyStats, p: Budget['percentile']): number =>
  ({ 50: s.p50Ms, 90: s.p90Ms, 95: s.p95Ms, 99: s.p99Ms })[p];

/** Number of openings for a confirmed measurement. */
const OPENINGS = 6;
/** Settings for a chosen plan: longer, because later stages build on it. */
export const CONFIRMING = { precision: 0.003, minSeconds: 1.3, maxSeconds: 2, openings: OPENINGS };
/** Models slower than this, in milliseconds, stay open between measurements. */
export const SLOW_MS = 40;

/**
 * Shares of the budget between which a quick measurement of the fastest plan does not decide
 * whether the budget is reachable.
 */
const CLOSE = [0.95, 1.03] as const;

/**
 * Measures the fastest plan: briefly when the outcome is clear, longer when it is close to the
 * budget.
 */
export async function leastMeasure(least: Model, compare: Compare, budgetRatio: number): Promise<Pair> {
  const quick = await compare(least, { precision: 0.01, maxSeconds: 4 });
  const share = quick.ratio / budgetRatio;
  return share > CLOSE[0] && share < CLOSE[1] ? compare(least, CONFIRMING) : quick;
}
