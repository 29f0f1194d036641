/**
 * Latency against width is a staircase whose steps depend on the processor and the runtime. This file finds the counts
 * worth offering: the largest count of each step. Nothing about the steps is assumed: they are looked for.
 */

/** Relative difference that counts as a step: below it a measurement is noise. */
const TOLERANCE = 0.02;

/**
 * Counts of `points` (count -> ms) that no larger count matches: keeping more there would cost nothing, so anything else
 * is a waste. Ascending; the largest count is always in.
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

/** Counts to measure first: all of them up to `exhaustive`, otherwise every count of a window about the middle and the full width. */
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
 * Counts over the whole range that continue the pattern of a measured window: its commonest distance between edges and
 * the edges' place within it. At most `most`, spread evenly; the full width is always in.
 */
export function continuePattern(
  window: ReadonlyMap<number, number>,
  units: number,
  multiple: number,
  most = 20,
): number[] {
  const counts = [...window.keys()].filter((k) => k !== units || window.has(k - multiple));
  const inner = edges(new Map(counts.map((k) => [k, window.get(k)!]))).filter((k) => k !== counts.at(-1));
  const gaps = new Map<number, number>();
  for (let i = 1; i < inner.length; i++) {
    const gap = inner[i]! - inner[i - 1]!;
    gaps.set(gap, (gaps.get(gap) ?? 0) + 1);
  }
  // No two steps inside the window: they are wider than it, or there are none. Its width is then the grid.
  const period = [...gaps].sort((a, b) => b[1] - a[1] || b[0] - a[0])[0]?.[0] ?? 32 * multiple;
  const place = inner.length ? inner[0]! % period : units % period;
  const all = [];
  for (let k = place || period; k < units; k += period) all.push(k);
  return [...thin(all, most - 1), units];
}

/** At most n of them, evenly spread by place, the first and last included. */
export function thin(counts: readonly number[], n: number): number[] {
  if (counts.length <= n) return [...counts];
  if (n <= 1) return counts.slice(-1);
  return [...new Set(Array.from({ length: n }, (_, i) => counts[Math.round((i * (counts.length - 1)) / (n - 1))]!))];
}
