/**
 * The first stage of Nüwa (2602.02951): the tokens with the most attention of every 2x2 cell, the best of these, and for
 * a part of them the neighbours added, weighted by similarity and nearness. The published weights use the mean of
 * hidden states of late layers; here they use the tokens themselves.
 */
import type { GraphBuilder } from '../../../autodiff/builder.ts';
import { f32 } from '../../../ir/tensor.ts';
import type { Value } from '../../../ir/value.ts';
import type { TokenMethod } from '../method.ts';
import { cellsOfSide, largestPerCell, type Grid } from '../support/cells.ts';
import { defineMethod } from '../support/define.ts';
import { ascending, freeRows, largest, oneHotRows, takeEntries, takeRows, upTo, withFixed } from '../support/rows.ts';
import { products, unitRows } from '../support/similarity.ts';

const SIDE = 2;
/** Kept tokens from this quantile of their attention on stay as they are. */
const PURE_FROM = 0.55;
/** Square of the distance at which a weight reaches 0, per token of the grid: 280 of 24 x 24 as published. */
const REACH = 280 / 576;

export const method: TokenMethod = defineMethod({
  name: 'nuwa',
  summary: 'The tokens with the most attention of each 2x2 cell, with their neighbours added',
  needs: ['grid', 'attention'],
  merges: false,
  emit(b, inputs, keep) {
    const grid = inputs.grid!;
    const n = grid[0] * grid[1];
    const tokens = freeRows(b, inputs.tokens, inputs);
    const cells = cellsOfSide(grid, SIDE);
    const perCell = upTo(SIDE * SIDE).find((k) => sum(cells.map((c) => Math.min(k + 1, c.length))) >= keep)! + 1;
    const candidates = largestPerCell(b, freeRows(b, inputs.attention!, inputs), cells, perCell);
    const best = takeEntries(b, candidates.tokens, largest(b, candidates.scores, keep).index);
    const { index, order } = ascending(b, best, keep);

    // The quantile of the kept scores as a rank: `order` counts from the highest score.
    const pure = keep - Math.ceil(PURE_FROM * (keep - 1));
    const isMixed = b.maskFloat(b.greater(order, b.ints([pure - 1])));
    const unit = unitRows(b, tokens);
    const similarity = b.relu(products(b, takeRows(b, unit, index, n), unit));
    const weights = b.mul(similarity, nearness(b, index, grid));
    const shares = b.div(weights, b.add(b.reduceSum(weights, [2], true), b.scalar(1e-8)));
    const others = b.mul(shares, b.sub(b.scalar(1), oneHotRows(b, index, n)));
    const added = b.matmul(b.mul(others, b.unsqueeze(isMixed, [2])), tokens);
    return withFixed(b, inputs, { index, content: b.add(takeRows(b, tokens, index, n), added) });
  },
});

const sum = (x: readonly number[]): number => x.reduce((a, y) => a + y, 0);

/** 1 at the token itself, falling to 0 with the distance on the grid: [B, K, n] for `index` [B, K]. */
function nearness(b: GraphBuilder, index: Value, grid: Grid): Value {
  const n = grid[0] * grid[1];
  const squares = (coordinate: (token: number) => number): Value => {
    const all = b.tensor(f32(upTo(n).map(coordinate), [n]), 'coordinate');
    const difference = b.sub(b.unsqueeze(b.op('Gather', [all, index]), [2]), all);
    return b.mul(difference, difference);
  };
  const row = squares((t) => Math.floor(t / grid[1]));
  const distance = b.sqrt(
    b.add(
      row,
      squares((t) => t % grid[1]),
    ),
  );
  return b.relu(b.sub(b.scalar(1), b.div(distance, b.scalar(Math.sqrt(REACH * n)))));
}
