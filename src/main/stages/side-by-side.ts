/** The original and a pruned model measured in the same run: only such figures are compared. */
import type { CompressRequest } from '../../shared/model/job.ts';
import type { Budget, LatencyStats } from '../../shared/model/types.ts';
import { cloneModel } from '../engine/ir/clone.ts';
import type { Model } from '../engine/ir/model.ts';
import { benchmark, openCandidate } from '../runtime/bench.ts';
import type { RuntimeSession } from '../runtime/executor.ts';

export interface Pair {
  readonly original: LatencyStats;
  readonly pruned: LatencyStats;
  /** Pruned over original: the quotient of the medians of interleaved rounds. */
  readonly ratio: number;
}

/** Runs of either model that steer; for the quantiles of a report there are more. */
const STEERING_RUNS = 12;

/**
 * @param precision half width of the ratio's interval that ends the measurement; @param maxSeconds that end it anyway;
 * @param runs of either model at least
 * @param minSeconds that it goes on for however sure it is: a moment says nothing about the minutes around it
 */
export type Compare = (
  pruned: Model,
  precision?: number,
  maxSeconds?: number,
  runs?: number,
  minSeconds?: number,
) => Promise<Pair>;

export interface SideBySide {
  readonly compare: Compare;
  /** Lets go of the original, which is opened again when something is compared with it again. */
  close(): Promise<void>;
}

/**
 * The original is taken from its file.
 * @param declare gives a working copy the inputs and outputs that it will be shipped with
 */
export function sideBySide(
  { model: original, budget }: Pick<CompressRequest, 'model' | 'budget'>,
  declare: (m: Model) => void = () => undefined,
): SideBySide {
  const { threads, provider, batch } = budget;
  let opened: RuntimeSession | null = null;
  const compare: Compare = async (working, precision = 0.005, maxSeconds = 3, runs = STEERING_RUNS, minSeconds = 0) => {
    const { model: pruned } = cloneModel(working);
    declare(pruned);
    opened ??= await openCandidate(original, { threads, provider });
    const [a, b] = await benchmark(
      [
        { name: 'original', model: original, session: opened },
        { name: 'pruned', model: pruned },
      ],
      { threads, provider, batch, runs, precision, minSeconds, maxSeconds, warmup: 3 },
    );
    return { original: a!.stats, pruned: b!.stats, ratio: b!.ratio.value };
  };
  return {
    compare,
    async close() {
      const session = opened;
      opened = null;
      await session?.release();
    },
  };
}

export const atPercentile = (s: LatencyStats, p: Budget['percentile']): number =>
  ({ 50: s.p50Ms, 90: s.p90Ms, 95: s.p95Ms, 99: s.p99Ms })[p];

/** Measures until a verdict is clear of the noise, three times at most; a quiet moment decides. */
export async function finalMeasure(model: Model, compare: Compare, ratio: number, runs: number): Promise<Pair> {
  let best = await compare(model, 0.003, 12, runs);
  for (let i = 0; i < 2; i++) {
    if (best.pruned.p50Ms / best.original.p50Ms <= ratio) break;
    const again = await compare(model, 0.003, 12, runs);
    if (again.pruned.noiseMs / again.pruned.p50Ms < best.pruned.noiseMs / best.pruned.p50Ms) best = again;
  }
  return best;
}
