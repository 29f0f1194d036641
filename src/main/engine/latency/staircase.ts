/**
 * Latency over width is a step function whose steps depend on the processor and the runtime. This file finds the counts
 * worth offering: the largest count of each step. It assumes nothing about the steps.
 */

/** Relative difference that counts as a step. Smaller ones are measurement noise. */
const TOLERANCE = 0.02;

/**
 * Counts of `points` (count -> ms) without an equally fast larger count: any other count wastes units that cost
 * nothing. Ascending; the largest count is always included.
 */
export function edges(points: ReadonlyMap<number, number>, tolerance = TOLERANCE): number[] {
  const out: number[] = [];
  let best = Infinity;
  for (const k of [...points.keys()].sort((a, b) => b - a)) {
    const t = points.get(k)!;
    if (t < best * (1 - tolerance) || best === Infinity) {
      out.push(k);
      best = t;
    }
  }
  return out.reverse();
}

/**
 * Counts to measure first: all of them up to `exhaustive`, otherwise every count of a window around the middle, and the
 * full width.
 */
export function windowCounts(units: number, multiple: number, exhaustive = 48): number[] {
  const out: number[] = [];
  const span = 32 * multiple;
  const from = units <= exhaustive * multiple ? multiple : Math.max(multiple, alignUp(units / 2 - span / 2, multiple));
  const to = units <= exhaustive * multiple ? units : Math.min(units, from + span);
  for (let k = from; k <= to; k += multiple) out.push(k);
  if (out.at(-1) !== units) out.push(units);
  return out;
}
const alignUp = (x: number, m: number): number => Math.ceil(x / m) * m;

/**
 * Counts over the whole range that continue the pattern of a measured window: its period, and the offset within it
 * where the time is lowest relative to the trend. At most `most`, spread evenly; the full width is always included.
 * @param units full width of the group that the window belongs to
 * @param over full width of the group that it is continued over
 */
export function continuePattern(
  window: ReadonlyMap<number, number>,
  units: number,
  multiple: number,
  most = 20,
  over = units,
): number[] {
  const counts = [...window.keys()].filter((k) => k !== units || window.has(k - multiple)).sort((a, b) => a - b);
  const points = new Map(counts.map((k) => [k / multiple, window.get(k)!]));
  const { period, place } = periodOf(points);
  const all = [];
  for (let k = place || period; k * multiple < over; k += period) all.push(k * multiple);
  return [...thin(all, most - 1), over];
}

/** Steps must fit better than a straight line by this factor. */
const CLEARLY = 0.5;
/** Variances from so few points can differ by this factor by chance. */
const ABOUT = 1.5;

/**
 * The period of a curve, and the offset within it (0..period-1) with the lowest time relative to the trend: least
 * squares of t(k) = a k + f(k mod period) for every period that the points cover twice. Residuals are weighted by the
 * number of parameters, so that noise does not count as a pattern. The shortest period that explains the curve about as
 * well as the best one wins.
 * @internal
 */
export function periodOf(points: ReadonlyMap<number, number>): { period: number; place: number } {
  const fits = [fitPeriod(points, 1)];
  for (let p = 2; 2 * p < points.size; p++) fits.push(fitPeriod(points, p));
  const least = Math.min(...fits.map((f) => f.variance));
  const line = fits[0]!;
  if (least >= CLEARLY * line.variance) return { period: 1, place: 0 };
  return fits.find((f) => f.variance <= ABOUT * least + 1e-12 * line.variance)!;
}

function fitPeriod(points: ReadonlyMap<number, number>, period: number) {
  // Within a class of equal k mod period, the slope is that of the deviations from the class means.
  const classes = new Map<number, [number, number][]>();
  for (const [k, t] of points) classes.set(k % period, [...(classes.get(k % period) ?? []), [k, t]]);
  let [xy, xx] = [0, 0];
  const means = new Map<number, [number, number]>();
  for (const [r, list] of classes) {
    const k = list.reduce((a, p) => a + p[0], 0) / list.length;
    const t = list.reduce((a, p) => a + p[1], 0) / list.length;
    means.set(r, [k, t]);
    for (const p of list) {
      xy += (p[0] - k) * (p[1] - t);
      xx += (p[0] - k) ** 2;
    }
  }
  const slope = xx > 0 ? xy / xx : 0;
  let error = 0;
  let [place, lowest] = [0, Infinity];
  for (const [r, list] of classes) {
    const [k, t] = means.get(r)!;
    for (const p of list) error += (p[1] - t - slope * (p[0] - k)) ** 2;
    if (t - slope * k < lowest) [place, lowest] = [r, t - slope * k];
  }
  return { period, place, variance: error / Math.max(1, points.size - classes.size - 1) };
}

/** At most n of them, evenly spread by index, with the first and last included. */
export function thin<T>(counts: readonly T[], n: number): T[] {
  if (counts.length <= n) return [...counts];
  if (n <= 1) return counts.slice(-1);
  return [...new Set(Array.from({ length: n }, (_, i) => counts[Math.round((i * (counts.length - 1)) / (n - 1))]!))];
}
