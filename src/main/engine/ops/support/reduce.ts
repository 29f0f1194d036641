/** The axes of a Reduce* node, in every form of the specification. */
import { attrInt, attrInts } from '../../ir/attribute.ts';
import type { Node } from '../../ir/node.ts';

export interface Reduction {
  /** Ascending, not negative. Empty: nothing is reduced (noop_with_empty_axes). */
  readonly axes: readonly number[];
  readonly keepdims: boolean;
}

/**
 * `constant` is the value of the axes input. Null when the axes come from an input that is not constant. The axes input
 * exists since opset 13 (ReduceSum) or 18; it has precedence where a node has one.
 */
export function reduction(node: Node, rank: number, constant: readonly number[] | null): Reduction | null {
  const keepdims = attrInt(node.attributes.get('keepdims'), 1) !== 0;
  const given = node.input(1) ? constant : (attrInts(node.attributes.get('axes')) ?? []);
  if (!given) return null;
  const all = given.length === 0 && attrInt(node.attributes.get('noop_with_empty_axes'), 0) === 0;
  const axes = all ? Array.from({ length: rank }, (_, i) => i) : given.map((a) => (a < 0 ? a + rank : a));
  return { axes: [...axes].sort((p, q) => p - q), keepdims };
}

export function reducedShape(shape: readonly number[], r: Reduction): number[] {
  return shape.flatMap((extent, i) => (!r.axes.includes(i) ? [extent] : r.keepdims ? [1] : []));
}
