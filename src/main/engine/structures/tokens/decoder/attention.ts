/**
 * Finds attention over a cache: one fused operator, or a softmax between two products whose second factors are
 * concatenated with earlier keys and values.
 */
import { attrInt } from '../../../ir/attribute.ts';
import { dataDependent } from '../../../ir/dependence.ts';
import type { Model } from '../../../ir/model.ts';
import type { Node } from '../../../ir/node.ts';
import type { Value } from '../../../ir/value.ts';
import { traitsOf } from '../../../ops/registry.ts';
import { dataOf, sourceOf } from './flow.ts';
import type { Attention } from './types.ts';

/** Maximum number of operators between a softmax and its products, and between a product and a cache. */
const STEPS = 12;

/** An attention before its positions are known. */
export type Core = Omit<Attention, 'query' | 'key'> & { readonly query: Value; readonly key: Value };

export interface Cores {
  readonly cores: readonly Core[];
  /** Attention over something else than a cache. */
  readonly others: readonly { readonly node: Node; readonly reason: string }[];
}

/** Every attention of the graph, in execution order. */
export function findCores(model: Model): Cores {
  const data = dataDependent(model);
  const cores: Core[] = [];
  const others: { node: Node; reason: string }[] = [];
  for (const node of model.graph.nodes()) {
    const { attention, yields } = traitsOf(node);
    if (attention) {
      const core = fusedCore(node);
      if (typeof core === 'string') others.push({ node, reason: core });
      else cores.push(core);
    } else if (yields === 'softmax') {
      const core = plainCore(node, data);
      if (core) cores.push(core);
      else if (productBefore(node.input(0)!, data, STEPS))
        others.push({ node, reason: 'its keys are not concatenated with a cache' });
    }
  }
  return { cores, others };
}

function fusedCore(node: Node): Core | string {
  const ports = traitsOf(node).attentionPorts;
  if (!ports) return 'its projections are inside the operator';
  const [pastKey, pastValue] = ports.past.map((i) => node.input(i));
  const [presentKey, presentValue] = ports.present.map((i) => node.outputs[i]);
  if (!pastKey?.isGraphInput || !pastValue?.isGraphInput || !presentKey?.name || !presentValue?.name)
    return 'it has no cache of keys and values';
  if (!node.input(1) && !ports.packed) return 'query, key and value come in a layout of their own';
  if (ports.rotary && node.inputs.slice(ports.rotary.last + 1).some((v) => v !== null))
    return 'it normalizes or quantizes keys itself';
  if (ports.window && attrInt(node.attributes.get(ports.window), -1) > 0)
    return 'its window counts tokens and not positions, so it would reach further back';
  return {
    node,
    ports,
    product: null,
    query: node.input(0)!,
    key: node.input(1) ?? node.input(0)!,
    past: [pastKey, pastValue],
    present: [presentKey, presentValue],
    output: node.output(),
    rotatesInside: ports.rotary !== undefined && attrInt(node.attributes.get(ports.rotary.attribute), 0) === 1,
  };
}

function plainCore(softmax: Node, data: ReadonlySet<Value>): Core | null {
  const product = productBefore(softmax.input(0)!, data, STEPS);
  const mixed = product && productBehind(softmax.output(), data, STEPS);
  const keys = product && cacheBefore(product.input(1)!, data);
  const values = mixed && cacheBefore(mixed.input(1)!, data);
  if (!keys || !values) return null;
  return {
    node: softmax,
    ports: null,
    product,
    query: product.input(0)!,
    key: keys.input(1)!,
    past: [inputBefore(keys.input(0)!)!, inputBefore(values.input(0)!)!],
    present: [keys.output(), values.output()],
    output: mixed.output(),
    rotatesInside: false,
  };
}

const isStep = (n: Node): boolean => {
  const { elementwise, movement } = traitsOf(n);
  return elementwise !== undefined || movement !== undefined;
};
const isProduct = (n: Node, data: ReadonlySet<Value>): boolean =>
  n.key === 'MatMul' && n.inputs.length === 2 && n.inputs.every((v) => data.has(v!));

function productBefore(v: Value, data: ReadonlySet<Value>, left: number): Node | null {
  const n = v.producer;
  if (!n || left === 0) return null;
  if (isProduct(n, data)) return n;
  if (!isStep(n)) return null;
  for (const x of dataOf(n)) {
    const found = data.has(x) ? productBefore(x, data, left - 1) : null;
    if (found) return found;
  }
  return null;
}

function productBehind(v: Value, data: ReadonlySet<Value>, left: number): Node | null {
  if (left === 0) return null;
  for (const n of v.consumers()) {
    if (isProduct(n, data) && n.input(0) === v) return n;
    const found = isStep(n) ? productBehind(n.output(), data, left - 1) : null;
    if (found) return found;
  }
  return null;
}

/** The node that appends to a cache: past first, then the new part. */
function cacheBefore(v: Value, data: ReadonlySet<Value>): Node | null {
  let at = v;
  for (let left = STEPS; left > 0; left--) {
    const n = at.producer;
    if (!n || !isStep(n)) return null;
    const past = traitsOf(n).movement === 'joined' && n.inputs.length === 2 ? inputBefore(n.input(0)!) : null;
    if (past) {
      const axis = attrInt(n.attributes.get('axis'), 0);
      return past.type?.shape?.length === 4 && (axis === 2 || axis === -2) ? n : null;
    }
    const before = dataOf(n).filter((x) => data.has(x));
    if (before.length !== 1) return null;
    at = before[0]!;
  }
  return null;
}

/** The input of the graph that a value passes on unchanged, or null. */
function inputBefore(v: Value): Value | null {
  const source = sourceOf(v);
  return source.isGraphInput ? source : null;
}
