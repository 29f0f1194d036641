/**
 * Whether a latency is within a budget, from one measurement whose length was set before it began. The model is opened
 * several times, each time in a process of its own; each opening gives one figure, and the interval is of their mean. It
 * thereby holds what differs from one start of the model to another, which runs of a single session never show.
 */
import type { LatencyVerdict } from '../../../shared/model/job.ts';
import type { Budget } from '../../../shared/model/types.ts';

/** Two-sided 95 % quantiles of Student's t by degrees of freedom, from 1; beyond the table the last one is a little wide. */
const T95 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086,
] as const;

/** 95 % interval of the (geometric) mean of positive figures; from a single one nothing is known. */
export function meanInterval(figures: readonly number[]): { value: number; low: number; high: number } {
  const n = figures.length;
  const logs = figures.map(Math.log);
  const mean = logs.reduce((a, x) => a + x, 0) / n;
  if (n < 2) return { value: Math.exp(mean), low: 0, high: Infinity };
  const deviation = Math.sqrt(logs.reduce((a, x) => a + (x - mean) ** 2, 0) / (n - 1));
  const half = (T95[Math.min(n - 1, T95.length) - 1]! * deviation) / Math.sqrt(n);
  return { value: Math.exp(mean), low: Math.exp(mean - half), high: Math.exp(mean + half) };
}

/** @param shares of the budget, one per opening, at the percentile that the budget is set for */
export function latencyVerdict(shares: readonly number[]): LatencyVerdict {
  const { low, high } = meanInterval(shares);
  return { verdict: verdictOf(low, high), low, high };
}

/** What is no number is no verdict in anyone's favour. */
export const verdictOf = (low: number, high: number): LatencyVerdict['verdict'] =>
  high <= 1 ? 'met' : low > 1 ? 'missed' : 'too-close';

/**
 * Runs that a single opening needs before it has a figure at the percentile: its interval needs six for the median, and a
 * run in twenty lies beyond the 95th percentile.
 * @internal
 */
export const runsPerOpening = (percentile: Budget['percentile']): number =>
  Math.max(6, Math.ceil(100 / (100 - percentile)));

export interface FinalPlan {
  readonly openings: number;
  /** Of each model, per opening. */
  readonly runs: number;
  /** What the recipe asked for was too little. */
  readonly raisedFrom: number | null;
}

/** Openings of a fast model, and of one where each takes seconds. */
const OPENINGS = [12, 6] as const;
/** Milliseconds from which a model is slow. */
const SLOW_MS = 40;

/** The length of the measurement that decides, from what is known before it: it does not depend on what it sees. */
export function planFinal(asked: number, percentile: Budget['percentile'], baselineMs: number): FinalPlan {
  const openings = baselineMs > SLOW_MS ? OPENINGS[1] : OPENINGS[0];
  const least = runsPerOpening(percentile);
  return {
    openings,
    runs: Math.max(least, Math.ceil(asked / openings)),
    raisedFrom: asked < least * openings ? asked : null,
  };
}

/** One sentence where a result is not within its budget for sure; null where it is. */
export function latencyReason(v: LatencyVerdict): string | null {
  const [low, high] = [v.low, v.high].map((x) => (Number.isFinite(x) ? `${(100 * x).toFixed(1)} %` : 'unknown'));
  if (v.verdict === 'met') return null;
  return v.verdict === 'missed'
    ? `The budget is missed: the result takes ${low} to ${high} of it.`
    : `Too close to call: the result takes ${low} to ${high} of the budget, and the measurement is not precise enough to decide.`;
}
