/** Multiply-accumulates and parameters per node and of a whole model, computed from facts. */
import type { ShapeContext } from '../ops/contract.ts';
import { operatorFor } from '../ops/registry.ts';
import { bodyOf, everyNode, everyValue } from './bodies.ts';
import type { Facts } from './facts.ts';
import type { Model } from './model.ts';
import type { Node } from './node.ts';
import { elementCount, isFloat } from './dtype.ts';
import type { Value } from './value.ts';

export interface NodeCost {
  readonly node: Node;
  /** Multiply-accumulates of one run at the batch of the facts; 0 for unknown operators. */
  readonly macs: number;
  /** Elements of float initializers that this node is the first to read (shared ones count once). */
  readonly params: number;
}

export interface ModelCosts {
  readonly macs: number;
  readonly params: number;
  /** Bytes of all initializers. */
  readonly bytes: number;
}

/** A node as macs rules see it. Shapes are [] where the facts have none. */
function shapeContext(model: Model, node: Node, facts: Pick<Facts, 'get'>): ShapeContext {
  return {
    node,
    opset: model.opsets.get(node.domain) ?? model.opset,
    in: (i) => {
      const v = node.input(i);
      return v ? (facts.get(v)?.shape ?? null) : null;
    },
    out: (i) => {
      const v = node.outputs[i];
      return (v && facts.get(v)?.shape) ?? [];
    },
    constant: (i) => {
      const v = node.input(i);
      return v ? (facts.get(v)?.constant ?? null) : null;
    },
  };
}

/** One entry per top-level node, in execution order. Nodes in the body of a Loop or Scan count once per iteration. */
export function nodeCosts(model: Model, facts: Facts): NodeCost[] {
  const counted = new Set<Value>();
  const out: NodeCost[] = [];
  for (const node of model.graph.nodes()) {
    let params = 0;
    const read = [node, ...(bodyOf(node)?.nodes() ?? [])].flatMap((n) => n.inputs);
    for (const v of read) {
      if (!v?.initializer || counted.has(v) || !isFloat(v.initializer.dtype)) continue;
      counted.add(v);
      params += elementCount(v.initializer.dims);
    }
    out.push({ node, macs: macsOf(model, node, facts), params });
  }
  return out;
}

/** Multiply-accumulates of one node. Nodes in its body count once per iteration; nodes without a rule count 0. */
export function macsOf(model: Model, node: Node, facts: Pick<Facts, 'get' | 'has'>): number {
  let inside = 0;
  for (const n of bodyOf(node)?.nodes() ?? [])
    inside += macsOf(model, n, facts) * ((n.outputs[0] && facts.get(n.outputs[0])?.times) ?? 1);
  const rule = operatorFor(node.key)?.macs;
  const known = node.outputs.every((o) => !o.name || facts.has(o));
  return rule && known ? rule(shapeContext(model, node, facts)) : inside;
}

export function modelCosts(model: Model, facts: Facts): ModelCosts {
  let macs = 0;
  for (const node of model.graph.nodes()) macs += macsOf(model, node, facts);
  let params = 0,
    bytes = 0;
  for (const v of everyValue(model.graph)) {
    const t = v.initializer;
    if (!t) continue;
    if (isFloat(t.dtype)) params += elementCount(t.dims);
    bytes += t.byteLength;
  }
  for (const node of everyNode(model.graph)) {
    // Older exporters keep weights in Constant nodes.
    const value = node.opType === 'Constant' ? node.attributes.get('value') : undefined;
    if (value?.kind !== 'tensor') continue;
    if (isFloat(value.value.dtype) && value.value.dims.length > 0) params += elementCount(value.value.dims);
    bytes += value.value.byteLength;
  }
  return { macs, params, bytes };
}

/** Bytes of the initializers at the top level. */
export function weightBytes(model: Model): number {
  let n = 0;
  for (const v of model.graph.initializers) n += v.initializer?.byteLength ?? 0;
  return n;
}
