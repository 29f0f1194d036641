/**
 * A decoder with caches as token pruning sees it. B is the batch (1), S the tokens of one run, P the tokens in the cache,
 * H the width, h the number of heads, d the size of a head.
 */
import type { Model } from '../../../ir/model.ts';
import type { Node } from '../../../ir/node.ts';
import type { Value } from '../../../ir/value.ts';
import type { AttentionPorts } from '../../../ops/traits.ts';

export interface Decoder {
  readonly model: Model;
  /** The input with the tokens: float embeddings [B, S, H], or ids [B, S]. */
  readonly tokens: Value;
  /** The input that admits tokens, [B, P + S], or null. */
  readonly mask: Value | null;
  /** The input with the positions, [B, S], or null where GroupQueryAttention counts them itself. */
  readonly positions: Value | null;
  /** Without such an input: int64 [S], the positions as the graph counts them from sizes. Null where it does not. */
  readonly counted: Value | null;
  readonly layers: readonly DecoderLayer[];
}

export interface DecoderLayer {
  readonly index: number;
  readonly attention: Attention;
  /** The node through which every token passes into the layer; null for the first layer. */
  readonly entry: Node | null;
  /** Outputs of `entry` that are read: the residual stream, and its norm where both are one operator. [B, S, H] each. */
  readonly frontier: readonly Value[];
  /** Why tokens cannot be dropped at the input of the layer, or null where they can. */
  readonly blocked: string | null;
}

/** An input of an operator. */
export interface Read {
  readonly node: Node;
  readonly index: number;
}

/** Queries or keys of one layer. Where one input of a fused operator holds query, key and value, all are that whole. */
export interface Rotation {
  /** Before rotary positions, in the same shape as `after`; null where no single value holds it. */
  readonly before: Value | null;
  /** With positions applied; equal to `before` where the layer applies none, or inside its fused operator. */
  readonly after: Value;
  /** Queries as attention multiplies them, keys as they are appended to the cache. */
  readonly end: Value;
  /** Reads of cosines, sines or positions. */
  readonly tables: readonly Read[];
}

export interface Attention {
  /** The fused operator, or the softmax. */
  readonly node: Node;
  readonly ports: AttentionPorts | null;
  /** Without ports: the product of queries and keys. */
  readonly product: Node | null;
  /** `end` is [B, h, S, d] or [B, S, h * d]. */
  readonly query: Rotation;
  readonly key: Rotation;
  readonly past: readonly [key: Value, value: Value];
  readonly present: readonly [key: Value, value: Value];
  /** Weighted sum of the values. */
  readonly output: Value;
  /** The fused operator rotates queries and keys itself. */
  readonly rotatesInside: boolean;
}
