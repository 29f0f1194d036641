/** Cosines between tokens, and rows of the resulting matrices. */
import type { GraphBuilder } from '../../../autodiff/builder.ts';
import { int } from '../../../ir/attribute.ts';
import type { Value } from '../../../ir/value.ts';
import { takeRows, upTo } from './rows.ts';

/** Rows of [B, N, D] scaled to length 1; a row of zeros stays. */
export function unitRows(b: GraphBuilder, x: Value): Value {
  const length = b.sqrt(b.reduceSum(b.mul(x, x), [2], true));
  return b.div(x, b.op('Max', [length, b.scalar(1e-12)]));
}

/** Products of all pairs of rows of `x` [B, N, D] and `y` [B, M, D]: [B, N, M]. Cosines where the rows are unit rows. */
export const products = (b: GraphBuilder, x: Value, y: Value): Value => b.matmul(x, b.transpose(y, [0, 2, 1]));

/** Float [n, n] with `x` on the diagonal. Computed from positions: as a constant it would take n * n floats. */
export function diagonal(b: GraphBuilder, n: number, x: number): Value {
  const is = b.equal(b.unsqueeze(b.ints(upTo(n)), [1]), b.ints(upTo(n)));
  return b.mul(b.maskFloat(is), b.scalar(x));
}

/** Row [B, 1, n] of `matrix` [B, m, n] at `at` int64 [B, 1, 1]. */
export const rowAt = (b: GraphBuilder, matrix: Value, at: Value, m: number): Value =>
  b.opset >= 12 ? b.op('GatherND', [matrix, at], { batch_dims: int(1) }) : takeRows(b, matrix, b.squeeze(at, [2]), m);
