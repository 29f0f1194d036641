/** Tables of positions for another grid. */

export type Grid = readonly [rows: number, columns: number];

/**
 * Rows of a table for another grid, bilinear between the centres of patches, as image resizing without aligned corners.
 * Leading rows stay.
 * @param table [leading + rows * columns, D]
 * @returns [leading + rows' * columns', D]
 */
export function interpolate(table: Float32Array, leading: number, from: Grid, to: Grid): Float32Array {
  const width = table.length / (leading + from[0] * from[1]);
  const out = new Float32Array((leading + to[0] * to[1]) * width);
  out.set(table.subarray(0, leading * width));
  const rows = mixes(from[0], to[0]);
  const columns = mixes(from[1], to[1]);
  rows.forEach((row, y) =>
    columns.forEach((column, x) => {
      const at = (leading + y * to[1] + x) * width;
      for (const [r, a] of row)
        for (const [c, b] of column) {
          const source = (leading + r * from[1] + c) * width;
          for (let d = 0; d < width; d++) out[at + d]! += a * b * table[source + d]!;
        }
    }),
  );
  return out;
}

/** For every new position, two old ones and their weights. */
function mixes(from: number, to: number): [at: number, weight: number][][] {
  return Array.from({ length: to }, (_, i) => {
    const centre = Math.min(from - 1, Math.max(0, ((i + 0.5) * from) / to - 0.5));
    const low = Math.floor(centre);
    return [
      [low, 1 - (centre - low)],
      [Math.min(from - 1, low + 1), centre - low],
    ];
  });
}
