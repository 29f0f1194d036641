/** Average pooling over the grid: one token per cell, the mean of its tokens. It stands at the cell's centre. */
import { f32 } from '../../../ir/tensor.ts';
import type { GraphBuilder } from '../../../autodiff/builder.ts';
import type { Value } from '../../../ir/value.ts';
import type { TokenMethod } from '../method.ts';
import { cellCounts, cellsOf, divide, type Grid } from '../support/cells.ts';
import { defineMethod } from '../support/define.ts';
import { freeRows, sameIndex, withFixed } from '../support/rows.ts';

export const method: TokenMethod = defineMethod({
  name: 'pool',
  summary: 'Average pooling: the mean of each cell of the grid',
  needs: ['grid'],
  merges: false,
  averages: true,
  auto: true,
  levels: ({ grid }) => (grid ? cellCounts(grid) : []),
  emit(b, inputs, keep) {
    const grid = inputs.grid!;
    const parts = divide(grid, keep)!;
    const tokens = freeRows(b, inputs.tokens, inputs);
    const isEven = grid[0] % parts[0] === 0 && grid[1] % parts[1] === 0;
    const cells = cellsOf(grid, parts);
    const content = isEven ? blockMeans(b, tokens, grid, parts, inputs.width) : cellMeans(b, tokens, cells);
    const index = sameIndex(
      b,
      tokens,
      cells.map((cell) => centre(cell, grid[1])),
    );
    return withFixed(b, inputs, { index, content });
  },
});

/** The middle token of a cell; of two middle rows or columns the first. @param columns of the grid */
function centre(cell: readonly number[], columns: number): number {
  const width = cell.filter((t) => Math.floor(t / columns) === Math.floor(cell[0]! / columns)).length;
  const [row, column] = [Math.ceil(cell.length / width / 2) - 1, Math.ceil(width / 2) - 1];
  return cell[row * width + column]!;
}

/** Means of cells of equal sizes. */
function blockMeans(b: GraphBuilder, tokens: Value, grid: Grid, parts: Grid, width: number): Value {
  const [rows, columns] = parts;
  const blocks = b.reshape(tokens, [0, rows, grid[0] / rows, columns, grid[1] / columns, width]);
  return b.reshape(b.reduceMean(blocks, [2, 4], false), [0, rows * columns, width]);
}

/** Means of cells of different sizes, as a product with a constant matrix. */
function cellMeans(b: GraphBuilder, tokens: Value, cells: readonly (readonly number[])[]): Value {
  const n = cells.reduce((sum, cell) => sum + cell.length, 0);
  const weights = new Float32Array(cells.length * n);
  cells.forEach((cell, i) => cell.forEach((t) => (weights[i * n + t] = 1 / cell.length)));
  return b.matmul(b.tensor(f32(weights, [cells.length, n]), 'cells'), tokens);
}
