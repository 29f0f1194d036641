/** The original and a pruned model measured in the same run: only such figures are compared. */
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
  /** The same in each phase; absent without phases. */
  readonly phases?: readonly PhasePair[];
}

/** The original in one phase, in milliseconds, and the quotient there. */
export interface PhasePair {
  readonly originalMs: number;
  readonly ratio: number;
}

export interface CompareOptions {
  /** Half width of the ratio's interval that ends a measurement; default 0.005. */
  readonly precision?: number;
  /** A ratio whose whole interval lies in here is known well enough; default: none. */
  readonly band?: readonly [number, number];
  /** Seconds that end it anyway; default 3. */
  readonly maxSeconds?: number;
  /** Seconds that it goes on for however sure it is: a moment says nothing about the minutes around it. Default 0. */
  readonly minSeconds?: number;
  /** Runs before the first that counts; default 3. */
  readonly warmup?: number;
  /** Runs of either model at least; default 12, for the quantiles of a report there are more. */
  readonly runs?: number;
  /**
   * How often both models are opened anew, each time in a process of its own and with that much effort; default 1. Where a
   * session lies in memory makes a model some percent faster or slower for as long as it is open, which no number of runs
   * averages out.
   */
  readonly openings?: number;
  /** The original's milliseconds matter too, not only the ratio; default true. */
  readonly absolute?: boolean;
}

export type Compare = (pruned: Model, options?: CompareOptions) => Promise<Pair>;

export interface PairedBenchmark {
  readonly compare: Compare;
  /** What the original takes, where an earlier job has found it. */
  expect(baselineMs: number): void;
  /** Lets go of the original, which is opened again when something is compared with it again. */
  close(): Promise<void>;
}

/**
 * The original is taken from its file. A single look at a slow model happens in this process, where the original stays
 * open: opening it takes longer than the look.
 * @param o.dims sizes of the dynamic axes besides the batch
 * @param o.phases of a component of a package: both models are measured in all of them, and the figures are weighted sums
 * @param declare gives a working copy the inputs and outputs that it will be shipped with
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
      // Of several phases no ratio to the first candidate is that of the models.
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

/** @param results of the original in every phase, then of the pruned model */
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

/** Means over openings; the noise is at least what the openings differ by. */
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

/** @param all of one model, one per opening */
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

/** Of a measurement that is believed. */
const OPENINGS = 4;
/** Of a plan that was chosen: what is built on it takes longer. */
export const CONFIRMING = { precision: 0.003, minSeconds: 1.3, maxSeconds: 2, openings: OPENINGS };
/** Models slower than this, in milliseconds, stay open between measurements. */
export const SLOW_MS = 40;

/** Shares of the budget in which a quick look at the fastest plan leaves open whether it is within reach. */
const CLOSE = [0.95, 1.03] as const;

/** Of the fastest plan there is: quickly where that is plain, for longer where it comes near the budget. */
export async function leastMeasure(least: Model, compare: Compare, budgetRatio: number): Promise<Pair> {
  const quick = await compare(least, { precision: 0.01, maxSeconds: 4 });
  const share = quick.ratio / budgetRatio;
  return share > CLOSE[0] && share < CLOSE[1] ? compare(least, CONFIRMING) : quick;
}
