/**
 * Latency of one unit of a model on a grid of keep counts, with interpolation between grid points.
 * Plain data and arithmetic.
 */

export interface GridAxis {
  readonly group: string;
  /** Measured counts, ascending; the last one is the full width. */
  readonly counts: readonly number[];
}

/** A unit as stored and sent between processes. */
export interface StoredUnit {
  readonly name: string;
  readonly opType: string;
  /** Node positions in the model's order. */
  readonly nodes: readonly number[];
  readonly groups: readonly string[];
  readonly profiledMs: number;
  readonly grid: readonly GridAxis[];
  /** Row-major over the grid; null: the unit could not be timed alone at that point. */
  readonly ms: readonly (number | null)[];
}

/**
 * Multilinear interpolation between grid points; outside of the grid the nearest point's value. NaN
 * where a point was not measured.
 */
function readGrid(
  grid: readonly GridAxis[],
  ms: readonly (number | null)[],
  keep: ReadonlyMap<string, number>,
): number {
  // Called several hundred thousand times per allocation, so it builds no lists of corners.
  const read = (axis: number, at: number): number => {
    if (axis === grid.length) return ms[at] ?? NaN;
    const { group, counts } = grid[axis]!;
    const most = counts[counts.length - 1]!;
    const k = Math.min(Math.max(keep.get(group) ?? most, counts[0]!), most);
    let hi = 0;
    while (counts[hi]! < k) hi++;
    const base = at * counts.length;
    if (counts[hi] === k) return read(axis + 1, base + hi);
    const f = (k - counts[hi - 1]!) / (counts[hi]! - counts[hi - 1]!);
    return (1 - f) * read(axis + 1, base + hi - 1) + f * read(axis + 1, base + hi);
  };
  return read(0, 0);
}

/**
 * Latency of a unit in ms. A unit that could not be timed alone costs its profiled time at every
 * width.
 */
export function unitMs(
  unit: Pick<StoredUnit, 'profiledMs' | 'grid' | 'ms'>,
  keep: ReadonlyMap<string, number>,
): number {
  const alone = unit.ms.at(-1) ?? NaN;
  if (!(alone > 0)) return unit.profiledMs;
  const ms = readGrid(unit.grid, unit.ms, keep);
  return Number.isNaN(ms) ? alone : ms;
}

/** Applies the calibration of LatencyModel. */
export const calibratedMs = (raw: number, scale: number, offset: number): number =>
  Math.max(0.1 * raw * scale, raw * scale + offset);
