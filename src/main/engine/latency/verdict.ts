/**
 * Decides whether a latency is within a budget, from one measurement whose length was fixed in advance. The model is
 * opened several times, each time in a separate process. Each opening gives one figure, and the interval is that of
 * their mean. It thus includes differences between starts of the model, which runs of a single session never show.
 */
import type { LatencyVerdict } from '../../../shared/model/job.ts';
import type { Budget } from '../../../shared/model/types.ts';

/**
 * Two-sided 95 % quantiles of Student's t by degrees of freedom, from 1. Beyond the table, the last one is slightly
 * wide.
 */
const T95 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086,
] as const;

/** 95 % interval of the (geometric) mean of positive figures; unbounded for a single one. */
export function meanInterval(figures: readonly number[]): { value: number; low: number; high: number } {
  const n = figures.length;
  const logs = figures.map(Math.log);
  const mean = logs.reduce((a, x) => a + x, 0) / n;
  if (n < 2) return { value: Math.exp(mean), low: 0, high: Infinity };
  const deviation = Math.sqrt(logs.reduce((a, x) => a + (x - mean) ** 2, 0) / (n - 1));
  const half = (T95[Math.min(n - 1, T95.length) - 1]! * deviation) / Math.sqrt(n);
  return { value: Math.exp(mean), low: Math.exp(mean - half), high: Math.exp(mean + half) };
}

/** @param shares latency divided by the budget, one per opening, at the budget's percentile */
export function latencyVerdict(shares: readonly number[]): LatencyVerdict {
  const { low, high } = meanInterval(shares);
  return { verdict: verdictOf(low, high), low, high };
}

/** NaN is neither within nor over the budget. */
export const verdictOf = (low: number, high: number): LatencyVerdict['verdict'] =>
  high <= 1 ? 'met' : low > 1 ? 'missed' : 'too-close';

/**
 * Runs that a single opening needs for a figure at the percentile: the interval of the median needs six, and one run in
 * twenty lies beyond the 95th percentile.
 * @internal
 */
export const runsPerOpening = (percentile: Budget['percentile']): number =>
  Math.max(6, Math.ceil(100 / (100 - percentile)));

export interface FinalPlan {
  readonly openings: number;
  /** Runs of each model per opening. */
  readonly runs: number;
  /** The recipe's value, where it was too small. */
  readonly raisedFrom: number | null;
}

/** Number of openings for a fast model, and for one whose openings take seconds. */
const OPENINGS = [12, 6] as const;
/** A model is slow from this time on, in milliseconds. */
const SLOW_MS = 40;

/**
 * The length of the deciding measurement, from facts known in advance: it does not depend on the measurement's own
 * results.
 */
export function planFinal(asked: number, percentile: Budget['percentile'], baselineMs: number): FinalPlan {
  const openings = baselineMs > SLOW_MS ? OPENINGS[1] : OPENINGS[0];
  const least = runsPerOpening(percentile);
  return {
    openings,
    runs: Math.max(least, Math.ceil(asked / openings)),
    raisedFrom: asked < least * openings ? asked : null,
  };
}

/** One sentence where a result is not certainly within its budget, else null. */
export function latencyReason(v: LatencyVerdict): string | null {
  const [low, high] = [v.low, v.high].map((x) => (Number.isFinite(x) ? `${(100 * x).toFixed(1)} %` : 'unknown'));
  if (v.verdict === 'met') return null;
  return v.verdict === 'missed'
    ? `The budget is missed: the result takes ${low} to ${high} of it.`
    : `Too close to call: the result takes ${low} to ${high} of the budget, and the measurement is not precise enough to decide.`;
}
