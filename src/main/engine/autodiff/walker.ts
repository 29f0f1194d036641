import { SecateurError } from '../../../shared/contract/errors.ts';
import { isFloat } from '../ir/dtype.ts';
import type { Graph } from '../ir/graph.ts';
import type { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';
import { isUnsupported, type GradContext, type GradRule } from '../ops/contract.ts';
import { operatorFor } from '../ops/registry.ts';
import type { GraphBuilder } from './builder.ts';
import { Shapes, type FactsLookup } from './shapes.ts';

export interface BackwardOptions {
  /** A scalar, or any tensor: the sum of its elements is differentiated. */
  readonly loss?: Value;
  /** Alternative to a loss: values and their incoming gradients, of the same shapes, taken as constants. */
  readonly cotangents?: ReadonlyMap<Value, Value>;
  /** Values to differentiate by: inputs, initializers or activations. */
  readonly wrt: readonly Value[];
  readonly facts: FactsLookup;
  /** Rules for single nodes that replace those of their operators. */
  readonly rules?: ReadonlyMap<Node, GradRule>;
}

/**
 * Emits reverse-mode differentiation into the graph that holds the forward pass. Returns the gradient of each value of
 * `wrt`, of that value's shape; a value that the loss does not depend on has no entry. Only nodes between `wrt` and the
 * loss are differentiated. Accumulation over several readers and summing a broadcast gradient down to its input's shape
 * happen only here.
 * @throws SecateurError 'gradient-unsupported' when a node on the way has no gradient rule.
 */
export function buildBackward(b: GraphBuilder, options: BackwardOptions): Map<Value, Value> {
  const { loss, cotangents, wrt } = options;
  const shapes = new Shapes(options.facts, b.opset);
  const dependent = dependents(b.graph, wrt, shapes);
  const pending = new Map<Value, Value[]>();
  const done = new Map<Value, Value>();
  /** All readers of a value come after its producer, so the sum is complete at the producer. */
  const settle = (v: Value): Value | null => {
    const parts = pending.get(v);
    if (!parts) return done.get(v) ?? null;
    pending.delete(v);
    const sum = parts.length > 2 ? b.op('Sum', parts) : parts.length === 2 ? b.add(parts[0]!, parts[1]!) : parts[0]!;
    shapes.set(sum, shapes.get(v));
    done.set(v, sum);
    return sum;
  };
  const last = [...(cotangents?.keys() ?? []), ...(loss ? [loss] : [])].filter((v) => dependent.has(v));
  if (last.length === 0) return new Map();
  // Nodes that compute the cotangents are not part of the forward pass, so the list is taken first.
  const forward = [...b.graph.nodes()].reverse();
  for (const v of last) {
    const shape = shapes.get(v);
    const given = cotangents?.get(v) ?? (shape.length === 0 ? b.scalar(1) : b.expand(b.scalar(1), shape));
    shapes.set(given, shape);
    pending.set(v, [given]);
  }

  for (const node of forward) {
    if (!node.inputs.some((v) => v && dependent.has(v)) && !readsOuter(node, dependent)) continue;
    const dY = node.outputs.map((o) => settle(o));
    if (dY.every((g) => g === null)) continue;
    const grads = applyRule(node, options.rules?.get(node) ?? gradRule(node), {
      node,
      opset: b.opset,
      b,
      dY: (i = 0) => dY[i] ?? null,
      needs: (i) => node.input(i) !== null && dependent.has(node.input(i)!),
      shape: (v) => shapes.get(v),
      constant: (v) => shapes.constant(v),
    });
    node.inputs.forEach((v, i) => {
      const g = grads[i];
      if (!v || !g || !dependent.has(v)) return;
      const reduced = unbroadcast(b, shapes, g, node, v);
      const parts = pending.get(v);
      if (parts) parts.push(reduced);
      else pending.set(v, [reduced]);
    });
  }
  const out = new Map<Value, Value>();
  for (const v of wrt) {
    const g = settle(v);
    if (g) out.set(v, g);
  }
  return out;
}

/** Values that depend on `wrt` and that a gradient can flow through (floating point, or of unknown type). */
function dependents(graph: Graph, wrt: readonly Value[], shapes: Shapes): Set<Value> {
  const found = new Set(wrt);
  for (const node of graph.nodes()) {
    if (!node.inputs.some((v) => v && found.has(v)) && !readsOuter(node, found)) continue;
    for (const o of node.outputs) {
      const dtype = shapes.dtype(o);
      if (dtype === undefined || isFloat(dtype)) found.add(o);
    }
  }
  return found;
}

/** True when a subgraph of the node reads one of the values. */
function readsOuter(node: Node, values: ReadonlySet<Value>): boolean {
  for (const g of node.subgraphs())
    for (const n of g.nodes()) if (n.inputs.some((v) => v && values.has(v)) || readsOuter(n, values)) return true;
  return false;
}

/** A rule that throws reports a case it does not support, which becomes an ordinary unsupported gradient. */
function applyRule(node: Node, rule: GradRule, ctx: GradContext): ReturnType<GradRule> {
  try {
    return rule(ctx);
  } catch (e) {
    if (e instanceof SecateurError) throw e;
    const reason = e instanceof Error ? e.message : String(e);
    throw new SecateurError('gradient-unsupported', { operator: node.key, node: node.label, reason }, { cause: e });
  }
}

function gradRule(node: Node): GradRule {
  const rule = operatorFor(node.key)?.grad;
  const reason = !rule ? 'the operator is not known' : isUnsupported(rule) ? rule.unsupported : null;
  if (reason) throw new SecateurError('gradient-unsupported', { operator: node.key, node: node.label, reason });
  return rule as GradRule;
}

/** Sums a gradient of the output's broadcast shape down to the shape of input `v`. */
function unbroadcast(b: GraphBuilder, shapes: Shapes, grad: Value, node: Node, v: Value): Value {
  const want = shapes.get(v);
  const have = shapes.find(grad);
  if (!have) {
    // No rule gives the shape of the emitted gradient. Where nothing is broadcast, it can only be the input's own.
    const outputs = node.outputs.filter((o) => o.name).map((o) => shapes.find(o));
    if (!outputs.some((o) => o && o.length >= want.length && !equal(o, want) && broadcasts(want, o))) {
      shapes.set(grad, want);
      return grad;
    }
    throw new Error(`the gradient of ${node.key} for ${v.name} has an unknown shape`);
  }
  if (equal(have, want)) return grad;
  const lead = have.length - want.length;
  const axes = have.map((_, i) => i).filter((i) => i < lead || (want[i - lead] === 1 && have[i] !== 1));
  if (lead < 0 || have.some((s, i) => i >= lead && want[i - lead] !== s && want[i - lead] !== 1))
    throw new Error(`the gradient of ${node.key} for ${v.name} has shape [${have}], not [${want}]`);
  let out = axes.length ? b.reduceSum(grad, axes, true) : grad;
  if (lead > 0) out = b.reshape(out, want);
  shapes.set(out, want);
  return out;
}

const equal = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((x, i) => x === b[i]);
const broadcasts = (small: readonly number[], big: readonly number[]): boolean =>
  small.every((s, i) => s === 1 || s === big[i + big.length - small.length]);

/** Declares the operator-set domains of emitted nodes. Call it once after emitting into a model's graph. */
export function importDomains(model: Model): void {
  for (const node of model.graph.nodes())
    if (node.domain === 'com.microsoft' && !model.opsets.has('com.microsoft')) model.opsets.set('com.microsoft', 1);
}
