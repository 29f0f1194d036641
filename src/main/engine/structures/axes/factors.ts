/** Multiplies activations by vectors along their axes, where contractions and reductions read them. */
import type { Clone } from '../../ir/clone.ts';
import { DType } from '../../ir/dtype.ts';
import { int } from '../../ir/attribute.ts';
import type { Facts } from '../../ir/facts.ts';
import type { Node } from '../../ir/node.ts';
import { i64 } from '../../ir/tensor.ts';
import type { Value } from '../../ir/value.ts';
import { maskReductions, type MaskedReduction } from './mask-reductions.ts';
import type { Reduction, Sink } from './types.ts';

/** Creates the vector for an axis; null where no multiplication is needed. */
export type Factor = (value: Value, axis: number, extent: number) => (() => Value) | null;

export function insertReductions(clone: Clone, reductions: readonly Reduction[], facts: Facts, factor: Factor): void {
  const masked = reductions.flatMap((reduction): MaskedReduction[] => {
    const { activation, axis } = reduction;
    const make = factor(activation, axis, facts.get(activation)!.shape[axis]!);
    if (!make) return [];
    const [node, value] = [clone.nodes.get(reduction.node)!, clone.values.get(activation)!];
    return [{ reduction, node, activation: value, vector: make() }];
  });
  maskReductions(masked, facts, clone.model.opset);
}

/**
 * Multiplies the activation of every sink by a vector along its axis. A node may sum over several axes of one
 * activation.
 */
export function insertFactors(
  nodes: ReadonlyMap<Node, Node>,
  values: ReadonlyMap<Value, Value>,
  sinks: readonly Sink[],
  facts: Facts,
  factor: Factor,
): void {
  const axesOf = new Map<Node, Map<Value, number[]>>();
  for (const s of sinks) {
    const read = axesOf.get(s.node) ?? new Map<Value, number[]>();
    axesOf.set(s.node, read.set(s.activation, [...(read.get(s.activation) ?? []), s.axis]));
  }
  // Several sinks that read the same activation along the same axes share one product.
  const products = new Map<Value, Map<string, Value>>();
  for (const [original, read] of axesOf) {
    const node = nodes.get(original)!;
    for (const [value, axes] of read) {
      const activation = values.get(value)!;
      const known = products.get(value) ?? new Map<string, Value>();
      products.set(value, known);
      let product = activation;
      let key = '';
      for (const axis of axes) {
        key += `${axis} `;
        product = known.get(key) ?? times(node, product, value, axis, facts, factor);
        known.set(key, product);
      }
      node.inputs.forEach((v, i) => {
        if (v === activation) node.setInput(i, product);
      });
    }
  }
}

/** `v`, the copy of `value`, times the vector along an axis; `v` itself where no multiplication is needed. */
function times(node: Node, v: Value, value: Value, axis: number, facts: Facts, factor: Factor): Value {
  const fact = facts.get(value);
  const shape = fact?.shape ?? value.initializer!.dims;
  const make = factor(value, axis, shape[axis]!);
  if (!make) return v;
  const graph = node.graph!;
  const vector = castLike(node, make(), fact?.dtype ?? DType.FLOAT);
  const dims = shape.slice(axis).map((n, k) => (k === 0 ? n : 1));
  const target = graph.addInitializer(graph.freshName('mask_shape'), i64(dims));
  const shaped = dims.length === 1 ? vector : graph.emit('Reshape', [vector, target], { before: node })[0]!;
  return graph.emit('Mul', [v, shaped], { outputName: `${v.name}_masked`, before: node })[0]!;
}

export function scaleInput(node: Node, value: Value, scalar: Value, dtype: number): void {
  const product = node.graph!.emit('Mul', [value, castLike(node, scalar, dtype)], { before: node })[0]!;
  node.inputs.forEach((v, i) => {
    if (v === value) node.setInput(i, product);
  });
}

function castLike(before: Node, v: Value, dtype: number): Value {
  return dtype === DType.FLOAT ? v : before.graph!.emit('Cast', [v], { attributes: [['to', int(dtype)]], before })[0]!;
}
