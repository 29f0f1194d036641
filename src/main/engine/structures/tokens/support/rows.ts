/** Reads, orders and joins rows of token tensors, separately for every sample of a batch of any size. */
import type { GraphBuilder } from '../../../autodiff/builder.ts';
import { int } from '../../../ir/attribute.ts';
import { i64 } from '../../../ir/tensor.ts';
import type { Value } from '../../../ir/value.ts';
import type { TokenInputs, TokenSelection } from '../method.ts';

export const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** int64 [1]: the batch size of `like`. */
const batchOf = (b: GraphBuilder, like: Value): Value => b.slice(b.op('Shape', [like]), [0], [1], [0]);

/** `x` expanded to [B, ...shape], with the batch of `like`. */
export const perSample = (b: GraphBuilder, like: Value, x: Value, shape: readonly number[]): Value =>
  b.op('Expand', [x, b.concat([batchOf(b, like), b.ints(shape)], 0)]);

/** int64 [B, n]: the same indices for every sample of `like` [B, ...]. */
export const sameIndex = (b: GraphBuilder, like: Value, indices: readonly number[]): Value =>
  perSample(b, like, b.tensor(i64(indices, [1, indices.length]), 'index'), [indices.length]);

/** Rows of `x` [B, n, D] at `index` int64 [B, K]: [B, K, D]. */
export function takeRows(b: GraphBuilder, x: Value, index: Value, n: number): Value {
  if (b.opset >= 12) return b.op('GatherND', [x, b.unsqueeze(index, [2])], { batch_dims: int(1) });
  // Before batch_dims, a product with ones and zeros.
  return b.matmul(oneHotRows(b, index, n), x);
}

/** Entries of `x` [B, N] at `index` int64 [B, K]: [B, K]. */
export const takeEntries = (b: GraphBuilder, x: Value, index: Value): Value =>
  b.op('GatherElements', [x, index], { axis: int(1) });

/** Rows of the tokens that are not fixed, of [B, N, ...]. */
export const freeRows = (b: GraphBuilder, x: Value, { fixed, count }: TokenInputs): Value =>
  fixed === 0 ? x : b.slice(x, [fixed], [count], [1]);

/** The `k` largest entries along the last axis, descending; the lower index goes first in a tie. */
export function largest(b: GraphBuilder, x: Value, k: number): { readonly values: Value; readonly index: Value } {
  const [values, index] = b.ops('TopK', [x, b.ints([k])], 2, { axis: int(-1), largest: int(1), sorted: int(1) });
  return { values: values!, index: index! };
}

/** Indices int64 [B, K] in ascending order, and the permutation that leads there. */
export function ascending(b: GraphBuilder, index: Value, k: number): { readonly index: Value; readonly order: Value } {
  const [sorted, order] = b.ops('TopK', [index, b.ints([k])], 2, { axis: int(-1), largest: int(0), sorted: int(1) });
  return { index: sorted!, order: order! };
}

/** Columns `from` to `to` of [B, N]. */
export const columns = (b: GraphBuilder, x: Value, from: number, to: number): Value => b.slice(x, [from], [to], [1]);

/** 1.0 where int64 `index` [B, K] equals the column's number: Float [B, K, n]. */
export const oneHotRows = (b: GraphBuilder, index: Value, n: number): Value =>
  b.maskFloat(b.equal(b.unsqueeze(index, [2]), b.ints(upTo(n))));

/**
 * Completes a selection among the free tokens with the fixed ones.
 * @param free `index` counts from the first free token, ascending
 */
export function withFixed(b: GraphBuilder, inputs: TokenInputs, free: TokenSelection): TokenSelection {
  const { tokens, fixed } = inputs;
  if (fixed === 0) return free;
  const index = b.concat([sameIndex(b, tokens, upTo(fixed)), b.add(free.index, b.ints([fixed]))], 1);
  const content = free.content && b.concat([b.slice(tokens, [0], [fixed], [1]), free.content], 1);
  const fixedSizes = (): Value =>
    inputs.sizes ? columns(b, inputs.sizes, 0, fixed) : perSample(b, tokens, b.scalar(1), [fixed]);
  const sizes = free.sizes && b.concat([fixedSizes(), free.sizes], 1);
  return { index, ...(content && { content }), ...(sizes && { sizes }) };
}

/** Tokens that stay, [B, K, D]: a cut continues with these. */
export const keptTokens = (b: GraphBuilder, inputs: TokenInputs, selection: TokenSelection): Value =>
  selection.content ?? takeRows(b, inputs.tokens, selection.index, inputs.count);
