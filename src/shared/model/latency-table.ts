/** Times of one unit of a model on a grid of keep counts, and reading between the points. Plain data and arithmetic. */

export interface GridAxis {
  readonly group: string;
  /** Measured counts, ascending; the last one is the full width. */
  readonly counts: readonly number[];
}

/** A unit as it is kept and sent. */
export interface StoredUnit {
  readonly name: string;
  readonly opType: string;
  /** Places in the model's order. */
  readonly nodes: readonly number[];
  readonly groups: readonly string[];
  readonly profiledMs: number;
  readonly grid: readonly GridAxis[];
  /** Row-major over the grid; null: could not be measured alone. */
  readonly ms: readonly (number | null)[];
}

/** Multilinear between grid points; outside of the grid the nearest point's. NaN where a point could not be measured. */
export function readGrid(
  grid: readonly GridAxis[],
  ms: readonly (number | null)[],
  keep: ReadonlyMap<string, number>,
): number {
  let corners: { at: number; weight: number }[] = [{ at: 0, weight: 1 }];
  for (const { group, counts } of grid) {
    const k = Math.min(Math.max(keep.get(group) ?? counts.at(-1)!, counts[0]!), counts.at(-1)!);
    let hi = counts.findIndex((c) => c >= k);
    if (hi < 0) hi = counts.length - 1;
    const lo = counts[hi] === k ? hi : Math.max(0, hi - 1);
    const f = hi === lo ? 0 : (k - counts[lo]!) / (counts[hi]! - counts[lo]!);
    corners = corners.flatMap((c) => [
      ...(f < 1 ? [{ at: c.at * counts.length + lo, weight: c.weight * (1 - f) }] : []),
      ...(f > 0 ? [{ at: c.at * counts.length + hi, weight: c.weight * f }] : []),
    ]);
  }
  return corners.reduce((a, c) => a + (ms[c.at] ?? NaN) * c.weight, 0);
}

/** A unit that could not be timed alone is taken to cost what the profile says, at any width. */
export function unitMs(
  unit: Pick<StoredUnit, 'profiledMs' | 'grid' | 'ms'>,
  keep: ReadonlyMap<string, number>,
): number {
  const alone = unit.ms.at(-1) ?? NaN;
  if (!(alone > 0)) return unit.profiledMs;
  const ms = readGrid(unit.grid, unit.ms, keep);
  return Number.isNaN(ms) ? alone : ms;
}

/** Calibrated: see LatencyModel. */
export const calibratedMs = (raw: number, scale: number, offset: number): number =>
  Math.max(0.1 * raw * scale, raw * scale + offset);
