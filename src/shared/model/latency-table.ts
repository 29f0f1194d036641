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
function readGrid(
  grid: readonly GridAxis[],
  ms: readonly (number | null)[],
  keep: ReadonlyMap<string, number>,
): number {
  // Asked some hundred thousand times per allocation: no lists of corners are made on the way.
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
