import { Graph, shareNames } from './graph.ts';
import type { Attribute } from './attribute.ts';
import { Model } from './model.ts';
import { Node } from './node.ts';
import { Value } from './value.ts';

export interface Clone {
  readonly model: Model;
  /** Original to copy, subgraphs included. */
  readonly values: Map<Value, Value>;
  readonly nodes: Map<Node, Node>;
}

/** A copy of the whole structure. Tensors and encoded bytes are shared, because they are never changed in place. */
export function cloneModel(from: Model): Clone {
  const values = new Map<Value, Value>();
  const nodes = new Map<Node, Node>();
  const model = new Model(new Graph());
  model.irVersion = from.irVersion;
  for (const [d, v] of from.opsets) model.opsets.set(d, v);
  model.producerName = from.producerName;
  model.producerVersion = from.producerVersion;
  model.domain = from.domain;
  model.modelVersion = from.modelVersion;
  model.docString = from.docString;
  for (const [k, v] of from.metadata) model.metadata.set(k, v);
  model.functions.push(...from.functions);
  model.unknown = from.unknown;
  model.sizes = from.sizes;
  copyGraph(from.graph, model.graph, values, nodes);
  shareNames(model.graph);
  return { model, values, nodes };
}

/** Copies the properties of a value. The caller sets links and graph membership. */
export function copyValue(v: Value): Value {
  const c = new Value(v.name, v.type);
  c.initializer = v.initializer;
  c.sparse = v.sparse;
  c.docString = v.docString;
  c.metadata = v.metadata;
  c.unknown = v.unknown;
  return c;
}

/**
 * Copies a node onto copied values. `values` must contain copies of its inputs; outer values that it does not contain
 * stay unchanged.
 */
export function copyNode(n: Node, values: Map<Value, Value>, nodes: Map<Node, Node>): Node {
  const outputs = n.outputs.map((o) => {
    const c = copyValue(o);
    values.set(o, c);
    return c;
  });
  const c = new Node(
    n.opType,
    n.inputs.map((v) => v && (values.get(v) ?? v)),
    outputs,
    { domain: n.domain, name: n.name },
  );
  c.overload = n.overload;
  c.docString = n.docString;
  c.metadata = n.metadata;
  c.unknown = n.unknown;
  for (const [name, a] of n.attributes) c.attributes.set(name, copyAttribute(a, values, nodes));
  nodes.set(n, c);
  return c;
}

function copyAttribute(a: Attribute, values: Map<Value, Value>, nodes: Map<Node, Node>): Attribute {
  const graph = (g: Graph): Graph => {
    const c = new Graph();
    copyGraph(g, c, values, nodes);
    return c;
  };
  if (a.kind === 'graph') return { ...a, value: graph(a.value) };
  if (a.kind === 'graphs') return { ...a, value: a.value.map(graph) };
  return a;
}

function copyGraph(from: Graph, to: Graph, values: Map<Value, Value>, nodes: Map<Node, Node>): void {
  to.name = from.name;
  to.docString = from.docString;
  to.metadata = from.metadata;
  to.unknown = from.unknown;
  const add = (v: Value): Value => {
    let c = values.get(v);
    if (!c) {
      c = copyValue(v);
      values.set(v, c);
    }
    c.graph = to;
    return c;
  };
  for (const v of from.inputs) to.inputs.push(add(v));
  for (const v of from.initializers) to.initializers.add(add(v));
  for (const n of from.nodes()) to.append(copyNode(n, values, nodes));
  for (const v of from.outputs) to.outputs.push(values.get(v) ?? v);
}
