/** Queries and keys of fused attention as [1, heads, tokens, size], and rotary positions outside the operator. */
import type { GraphBuilder } from '../../../autodiff/builder.ts';
import { attrInt, int } from '../../../ir/attribute.ts';
import type { Node } from '../../../ir/node.ts';
import type { Value } from '../../../ir/value.ts';
import type { AttentionPorts } from '../../../ops/traits.ts';

export interface Heads {
  readonly query: number;
  readonly key: number;
}

/** Numbers of heads; 0 where inputs have an axis of heads. */
export const headsOf = (node: Node, { heads: [query, key] }: AttentionPorts): Heads => {
  const count = attrInt(node.attributes.get(query), 0);
  return { query: count, key: attrInt(node.attributes.get(key), count) };
};

export const isPacked = (node: Node): boolean => node.input(1) === null;

/** [1, heads, S, d] from [1, S, heads * d]. */
const byHead = (b: GraphBuilder, v: Value, heads: number): Value =>
  heads === 0 ? v : b.transpose(b.reshape(v, [0, 0, heads, -1]), [0, 2, 1, 3]);

/** Queries by head from an input of the operator. */
export function queriesOf(b: GraphBuilder, node: Node, ports: AttentionPorts, input: Value): Value {
  const { query, key } = headsOf(node, ports);
  if (!isPacked(node)) return byHead(b, input, query);
  return b.slice(byHead(b, input, query + 2 * key), [0], [query], [1]);
}

/** Keys by head from an input of the operator. */
export function keysOf(b: GraphBuilder, node: Node, ports: AttentionPorts, input: Value): Value {
  const { query, key } = headsOf(node, ports);
  if (!isPacked(node)) return byHead(b, input, key);
  return b.slice(byHead(b, input, query + 2 * key), [query], [query + key], [1]);
}

/**
 * Applies the operator's rotary tables outside of it, by com.microsoft RotaryEmbedding.
 * @param input [1, S, heads * d] or [1, heads, S, d]
 * @param positions int64 [1, S]
 */
export function rotate(
  b: GraphBuilder,
  node: Node,
  ports: AttentionPorts,
  input: Value,
  heads: number,
  positions: Value,
): Value {
  const { cos, sin, interleaved } = ports.rotary!;
  const tables = [node.input(cos)!, node.input(sin)!];
  const attributes = {
    interleaved: int(attrInt(node.attributes.get(interleaved), 0)),
    num_heads: int(heads),
    // A table is half as wide as the rotated part of a head.
    rotary_embedding_dim: int(2 * Number(tables[0]!.type!.shape!.at(-1))),
  };
  return b.op('RotaryEmbedding', [input, positions, ...tables], attributes, 'com.microsoft');
}

/** Query, key and value, [1, S, heads * d] each, from an input that holds all three. */
export function unpacked(b: GraphBuilder, node: Node, ports: AttentionPorts): readonly [Value, Value, Value] {
  const { query, key } = headsOf(node, ports);
  const all = node.input(0)!;
  const width = b.slice(b.op('Shape', [all]), [2], [3], [0]);
  const size = b.div(width, b.ints([query + 2 * key]));
  const part = (from: number, to: number): Value =>
    b.op('Slice', [all, b.mul(size, b.ints([from])), b.mul(size, b.ints([to])), b.ints([2])]);
  return [part(0, query), part(query, query + key), part(query + key, query + 2 * key)];
}
