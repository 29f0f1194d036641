/** Constants as pruning defines them: initializers, outputs of Constant nodes, and values computed from these alone. */
import { bodyValues, everyNode } from '../../ir/bodies.ts';
import { DType, elementCount } from '../../ir/dtype.ts';
import type { Facts } from '../../ir/facts.ts';
import type { Graph } from '../../ir/graph.ts';
import { toNumbers, type Tensor } from '../../ir/tensor.ts';
import type { Value } from '../../ir/value.ts';
import { tensorOf as constantAttribute } from '../../passes/constants-to-initializers.ts';

const SMALL = 1 << 14;

/** The constant tensor of a value: of an initializer or of a Constant node. */
export function tensorOf(v: Value): Tensor | null {
  if (v.initializer) return v.initializer;
  return v.producer?.key === 'Constant' ? constantAttribute(v.producer.attributes) : null;
}

/** Small numeric constant value of a tensor that does not depend on the inputs' data, or null. */
export function constantOf(v: Value | null, facts: Facts): readonly number[] | null {
  if (!v) return null;
  const known = facts.get(v)?.constant;
  if (known) return known;
  const t = tensorOf(v);
  if (!t || t.dtype === DType.STRING || elementCount(t.dims) > SMALL) return null;
  return toNumbers(t);
}

/**
 * Values whose data does not depend on the graph inputs' data: weights, and results of data movement or casts of
 * weights.
 */
export function weightLike(graph: Graph, facts: Facts): Set<Value> {
  const out = new Set<Value>(graph.initializers);
  for (const v of bodyValues(graph)) if (v.initializer) out.add(v);
  for (const n of everyNode(graph)) {
    const inputs = n.inputs.filter((v): v is Value => v !== null);
    const all = inputs.length > 0 && inputs.every((v) => out.has(v));
    for (const o of n.outputs)
      if (all || n.key === 'Constant' || (o.name && facts.get(o)?.constant !== undefined)) out.add(o);
  }
  return out;
}
