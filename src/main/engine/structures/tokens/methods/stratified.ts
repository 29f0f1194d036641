/**
 * The best token of every cell of a coarse grid, then the best of all others. Cells keep every part of the image in
 * view, which the best tokens alone do not (2602.02951). The score is the attention that a token receives where it is
 * known, else the length of its features.
 */
import { int } from '../../../ir/attribute.ts';
import type { TokenMethod } from '../method.ts';
import { cellCounts, cellsOf, divide, largestPerCell } from '../support/cells.ts';
import { defineMethod } from '../support/define.ts';
import { ascending, freeRows, largest, perSample, withFixed } from '../support/rows.ts';

/** Cells per kept token. */
const COVERING = 0.5;
/** Above every score. */
const HIGHEST = 3e38;

export const method: TokenMethod = defineMethod({
  name: 'stratified',
  summary: 'The best token of each cell of a coarse grid, then the best of the others',
  needs: ['grid'],
  merges: false,
  emit(b, inputs, keep) {
    const grid = inputs.grid!;
    const tokens = freeRows(b, inputs.tokens, inputs);
    const scores = inputs.attention
      ? freeRows(b, inputs.attention, inputs)
      : b.reduceSum(b.mul(tokens, tokens), [2], false);
    const most = Math.max(1, Math.floor(keep * COVERING));
    const count = cellCounts(grid).findLast((cells) => cells <= most) ?? 1;
    const parts = divide(grid, count) ?? [1, 1];
    const first = largestPerCell(b, scores, cellsOf(grid, parts), 1).tokens;
    const highest = perSample(b, first, b.scalar(HIGHEST), [count]);
    const raised = b.op('ScatterElements', [scores, first, highest], { axis: int(1) });
    return withFixed(b, inputs, { index: ascending(b, largest(b, raised, keep).index, keep).index });
  },
});
