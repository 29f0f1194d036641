import type { Graph } from './graph.ts';
import type { Node } from './node.ts';
import type { Value } from './value.ts';

/** Outer values that the subgraphs of a node read, as node inputs or directly as subgraph outputs. */
export function capturedBy(node: Node): Set<Value> {
  const out = new Set<Value>();
  const inside = new Set<Graph>();
  const collect = (g: Graph): void => {
    inside.add(g);
    for (const n of g.nodes()) for (const sub of n.subgraphs()) collect(sub);
  };
  for (const g of node.subgraphs()) collect(g);
  for (const g of inside) {
    for (const n of g.nodes()) for (const v of n.inputs) if (v && !(v.graph && inside.has(v.graph))) out.add(v);
    for (const v of g.outputs) if (!(v.graph && inside.has(v.graph))) out.add(v);
  }
  return out;
}

/** Everything a node depends on: its inputs and the outer values that its subgraphs read. */
export function* readsOf(node: Node): Iterable<Value> {
  for (const v of node.inputs) if (v) yield v;
  yield* capturedBy(node);
}

/** Outputs of the graph or of any subgraph. `Value.uses()` does not include this kind of reader. */
export function givenOut(g: Graph, into = new Set<Value>()): Set<Value> {
  for (const v of g.outputs) into.add(v);
  for (const n of g.nodes()) for (const sub of n.subgraphs()) givenOut(sub, into);
  return into;
}
