/** 95 % intervals of figures from few samples. */
import type { Interval } from '../../../../shared/model/quality.ts';

/** Two-sided 95 % quantile of the normal distribution. */
const Z = 1.959963984540054;

/**
 * Interval of a share, `hits` of `n` (Wilson 1927). It stays within 0..1 and has a width even where all or none hit.
 */
export function wilson(hits: number, n: number): Interval {
  if (n <= 0) return { low: 0, high: 1 };
  const p = hits / n;
  const z2 = Z * Z;
  const middle = (p + z2 / (2 * n)) / (1 + z2 / n);
  const half = (Z / (1 + z2 / n)) * Math.sqrt((p * (1 - p)) / n + z2 / (4 * n * n));
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

/**
 * Interval of a ratio of sums over samples, such as F1 over all boxes. Samples were drawn, not boxes, so the spread is
 * that of each sample's contribution (linearised; Cochran 1977, Sampling Techniques, ch. 6). Where that spread
 * vanishes, as when all samples agree, the interval is that of a share of as many samples.
 */
export function ratioInterval(parts: readonly number[], wholes: readonly number[]): Interval {
  const n = parts.length;
  const whole = wholes.reduce((a, b) => a + b, 0);
  if (n < 2 || !(whole > 0)) return { low: 0, high: 1 };
  const ratio = parts.reduce((a, b) => a + b, 0) / whole;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (parts[i]! - ratio * wholes[i]!) ** 2;
  const half = (Z * Math.sqrt((n / (n - 1)) * squares)) / whole;
  const share = wilson(Math.min(1, Math.max(0, ratio)) * n, n);
  const floor = squares < 1e-12 * whole * whole;
  return floor ? share : { low: Math.max(0, ratio - half), high: Math.min(1, ratio + half) };
}

/** Interval of a mean over samples, within 0..1. */
export const meanInterval = (values: readonly number[]): Interval =>
  ratioInterval(
    values,
    values.map(() => 1),
  );
