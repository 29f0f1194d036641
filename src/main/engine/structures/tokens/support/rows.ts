/** Reads, orders and replaces rows of token tensors, separately for every sample of a batch of any size. */
import type { GraphBuilder } from '../../../autodiff/builder.ts';
import { int } from '../../../ir/attribute.ts';
import { i64 } from '../../../ir/tensor.ts';
import type { Value } from '../../../ir/value.ts';
import type { TokenInputs, TokenSelection } from '../method.ts';

/** int64 [2]: the batch size of `like`, then `n`. */
const batchBy = (b: GraphBuilder, like: Value, n: number): Value =>
  b.concat([b.slice(b.op('Shape', [like]), [0], [1], [0]), b.ints([n])], 0);

/** int64 [B, n]: the same indices for every sample of `like` [B, ...]. */
export function sameIndex(b: GraphBuilder, like: Value, indices: readonly number[]): Value {
  return b.op('Expand', [b.tensor(i64(indices, [1, indices.length]), 'index'), batchBy(b, like, indices.length)]);
}

const scalarInt = (b: GraphBuilder, x: number): Value => b.tensor(i64([x], []));

/** Rows of `x` [B, N, D] at `index` int64 [B, K]: [B, K, D]. */
export function takeRows(b: GraphBuilder, x: Value, index: Value, n: number, width: number): Value {
  if (b.opset >= 12) return b.op('GatherND', [x, b.unsqueeze(index, [2])], { batch_dims: int(1) });
  // Before batch_dims: rows of all samples in one table.
  const batch = b.slice(b.op('Shape', [x]), [0], [1], [0]);
  const samples = b.op('Range', [scalarInt(b, 0), b.squeeze(batch, [0]), scalarInt(b, 1)]);
  const offset = b.unsqueeze(b.mul(samples, b.ints([n])), [1]);
  return b.op('Gather', [b.reshape(x, [-1, width]), b.add(index, offset)], { axis: int(0) });
}

/** Entries of `x` [B, N] at `index` int64 [B, K]: [B, K]. */
export const takeEntries = (b: GraphBuilder, x: Value, index: Value): Value =>
  b.op('GatherElements', [x, index], { axis: int(1) });

/** Tokens that stay, [B, K, D]: what a cut continues with. */
export const keptTokens = (b: GraphBuilder, inputs: TokenInputs, selection: TokenSelection): Value =>
  selection.content ?? takeRows(b, inputs.tokens, selection.index, inputs.count, inputs.width);
