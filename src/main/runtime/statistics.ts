/** Order statistics of timings. Pure arithmetic. */
import { seededRandom } from '../engine/random.ts';

/** Quantile by linear interpolation between order statistics. `sorted` is ascending and not empty, 0 <= q <= 1. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  const at = (sorted.length - 1) * q,
    low = Math.floor(at);
  const a = sorted[low]!,
    b = sorted[Math.min(low + 1, sorted.length - 1)]!;
  return a + (b - a) * (at - low);
}

export const sortedCopy = (x: ArrayLike<number>): Float64Array => Float64Array.from(x).sort();
export const median = (x: ArrayLike<number>): number => quantile(sortedCopy(x), 0.5);

/** Mean of the middle half: as stable as the median, and finer than a clock tick. */
export function midMean(x: ArrayLike<number>): number {
  const s = sortedCopy(x);
  const from = Math.floor(s.length / 4),
    to = Math.max(from + 1, Math.ceil((s.length * 3) / 4));
  let sum = 0;
  for (let i = from; i < to; i++) sum += s[i]!;
  return sum / (to - from);
}

/** Mean between the 10th and the 50th percentile: the time on an undisturbed machine, finer than a clock tick. */
export function lowMean(x: ArrayLike<number>): number {
  const s = sortedCopy(x);
  const from = Math.floor(s.length * 0.1),
    to = Math.max(from + 1, Math.ceil(s.length * 0.5));
  let sum = 0;
  for (let i = from; i < to; i++) sum += s[i]!;
  return sum / (to - from);
}

/** Percentile bootstrap interval of the median at the given confidence. Seeded, hence repeatable. */
export function medianInterval(
  x: readonly number[],
  confidence = 0.95,
  resamples = 400,
): { low: number; high: number } {
  if (x.length < 2) return { low: x[0] ?? NaN, high: x[0] ?? NaN };
  const random = seededRandom(x.length);
  const medians = new Float64Array(resamples);
  const draw = new Float64Array(x.length);
  for (let r = 0; r < resamples; r++) {
    for (let i = 0; i < draw.length; i++) draw[i] = x[random.int(x.length)]!;
    medians[r] = quantile(draw.sort(), 0.5);
  }
  medians.sort();
  return { low: quantile(medians, (1 - confidence) / 2), high: quantile(medians, (1 + confidence) / 2) };
}
