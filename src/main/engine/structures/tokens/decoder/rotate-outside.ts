/** Moves rotary positions out of fused attention. */
import type { GraphBuilder } from '../../../autodiff/builder.ts';
import { int } from '../../../ir/attribute.ts';
import type { Value } from '../../../ir/value.ts';
import { headsOf, isPacked, rotate, unpacked } from './heads.ts';
import type { DecoderLayer, Rotation } from './types.ts';

/**
 * The operator of a layer would count the remaining tokens. Its queries and keys are rotated in front of it instead, by
 * their positions in the whole sequence. @param positions int64 [1, S]
 */
export function rotateOutside(b: GraphBuilder, layer: DecoderLayer, positions: Value | null): DecoderLayer {
  const a = layer.attention;
  const { node, ports } = a;
  const rotary = ports?.rotary;
  if (!a.rotatesInside || !rotary) return layer;
  const heads = headsOf(node, ports);
  let [query, key, value] = [node.input(0)!, node.input(1), node.input(2)];
  if (isPacked(node)) {
    // Three inputs: the runtime infers the width of a packed one from a fixed size, which slices do not have.
    [query, key, value] = unpacked(b, node, ports);
    node.setInput(2, value);
  }
  const turned = [
    rotate(b, node, ports, query, heads.query, positions!),
    rotate(b, node, ports, key!, heads.key, positions!),
  ];
  turned.forEach((v, i) => node.setInput(i, v));
  const moved = (before: Value, after: Value): Rotation => ({ before, after, end: after, tables: [] });
  const [q, k] = [moved(query, turned[0]!), moved(key!, turned[1]!)];
  for (const i of [rotary.cos, rotary.sin, rotary.positions]) if (node.input(i)) node.setInput(i, null);
  while (node.inputs.length > 0 && node.inputs.at(-1) === null) node.truncateInputs(node.inputs.length - 1);
  node.attributes.set(rotary.attribute, int(0));
  return { ...layer, attention: { ...a, query: q, key: k, rotatesInside: false } };
}
