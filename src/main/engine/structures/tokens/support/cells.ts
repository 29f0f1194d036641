/** Divides a grid of tokens in row-major order into cells, and reads scores cell by cell. */
import type { GraphBuilder } from '../../../autodiff/builder.ts';
import { int } from '../../../ir/attribute.ts';
import { i64 } from '../../../ir/tensor.ts';
import type { Value } from '../../../ir/value.ts';
import { perSample, upTo } from './rows.ts';

export type Grid = readonly [rows: number, columns: number];

/** Below every score, and finite so that no arithmetic makes it NaN. */
const LOWEST = -3e38;

/** Cells more than twice as long as wide are not offered. */
const MOST_STRETCHED = 2;

/** How far cells of a grid divided into `parts` are from squares: 0 for squares, log of the ratio of their sides. */
const stretch = (grid: Grid, parts: Grid): number => Math.abs(Math.log((grid[0] * parts[1]) / (grid[1] * parts[0])));

/** Divisions of a grid into rows times columns of cells that are nearly square. */
function divisions(grid: Grid): Grid[] {
  const all = upTo(grid[0]).flatMap((r) => upTo(grid[1]).map((c): Grid => [r + 1, c + 1]));
  return all.filter((parts) => stretch(grid, parts) <= Math.log(MOST_STRETCHED) + 1e-9);
}

/** Numbers of cells that a grid can be divided into, ascending. */
export const cellCounts = (grid: Grid): number[] =>
  [...new Set(divisions(grid).map(([r, c]) => r * c))].sort((x, y) => x - y);

const isEven = (grid: Grid, parts: Grid): boolean => grid[0] % parts[0] === 0 && grid[1] % parts[1] === 0;

/** The division into exactly `count` cells with the squarest ones, first those of equal sizes; undefined: none. */
export function divide(grid: Grid, count: number): Grid | undefined {
  const fit = divisions(grid).filter(([r, c]) => r * c === count);
  const cost = (parts: Grid): number => stretch(grid, parts) + (isEven(grid, parts) ? 0 : 10);
  return fit.sort((x, y) => cost(x) - cost(y))[0];
}

/** Tokens of every cell, cells and tokens in row-major order. Cells differ by at most one row and one column. */
export function cellsOf(grid: Grid, parts: Grid): number[][] {
  const bounds = (n: number, k: number): number[] => upTo(k + 1).map((i) => Math.floor((i * n) / k));
  return tokensBetween(grid, bounds(grid[0], parts[0]), bounds(grid[1], parts[1]));
}

/** Cells of `side` x `side` tokens; the last ones are smaller where the grid is not a multiple. */
export function cellsOfSide(grid: Grid, side: number): number[][] {
  const bounds = (n: number): number[] => [...upTo(Math.ceil(n / side)).map((i) => i * side), n];
  return tokensBetween(grid, bounds(grid[0]), bounds(grid[1]));
}

function tokensBetween(grid: Grid, rows: readonly number[], columns: readonly number[]): number[][] {
  const range = (from: number, to: number): number[] => upTo(to - from).map((i) => from + i);
  return rows
    .slice(1)
    .flatMap((bottom, i) =>
      columns
        .slice(1)
        .map((right, j) =>
          range(rows[i]!, bottom).flatMap((y) => range(columns[j]!, right).map((x) => y * grid[1] + x)),
        ),
    );
}

/**
 * The `k` tokens with the largest scores of every cell, descending; the token with the lower index goes first in a tie.
 * A cell with fewer tokens is filled up with entries of the score LOWEST.
 * @param scores Float [B, n]
 * @returns scores Float and tokens int64, both [B, cells * k]
 */
export function largestPerCell(
  b: GraphBuilder,
  scores: Value,
  cells: readonly (readonly number[])[],
  k: number,
): { readonly scores: Value; readonly tokens: Value } {
  const n = cells.reduce((sum, cell) => sum + cell.length, 0);
  const size = Math.max(k, ...cells.map((cell) => cell.length));
  // Entry n is the filling.
  const table = cells.flatMap((cell) => upTo(size).map((i) => cell[i] ?? n));
  const isFull = !table.includes(n);
  const padded = isFull ? scores : b.concat([scores, perSample(b, scores, b.scalar(LOWEST), [1])], 1);
  const byCell = b.op('Gather', [padded, b.tensor(i64(table, [cells.length, size]), 'cells')], { axis: int(1) });
  const [values, at] = b.ops('TopK', [byCell, b.ints([k])], 2, { axis: int(-1) });
  const offset = b.tensor(i64(cells.map((_, i) => i * size), [cells.length, 1]), 'offset'); // prettier-ignore
  const tokens = b.op('Gather', [b.tensor(i64(table), 'cells'), b.add(at!, offset)], { axis: int(0) });
  const flat = (x: Value): Value => b.reshape(x, [0, cells.length * k]);
  return { scores: flat(values!), tokens: flat(tokens) };
}
