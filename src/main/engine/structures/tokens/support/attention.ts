/** Inputs of token methods that derive from the attention of a layer. */
import type { GraphBuilder } from '../../../autodiff/builder.ts';
import type { Value } from '../../../ir/value.ts';

/**
 * Attention that each token receives, mean over heads: Float [B, N] from probabilities [B, H, N, N], whose rows are
 * queries. Sums to 1 over all tokens.
 * @param classToken token 0 is a class token, whose row counts alone; otherwise the mean over all rows (VisionZip for
 *   encoders without a class token)
 */
export function receivedAttention(b: GraphBuilder, probabilities: Value, classToken: boolean): Value {
  const rows = classToken ? b.slice(probabilities, [0], [1], [2]) : probabilities;
  return b.reduceMean(rows, [1, 2], false);
}
