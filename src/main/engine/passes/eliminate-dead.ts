import type { Graph, Value } from '../ir/index.ts';
import type { Pass } from './pass.ts';

/**
 * Removes nodes whose outputs are not read and initializers that are not read, in subgraphs too. ONNX operators have no
 * side effects, so this never changes a result. Graph inputs stay, because they are the model's signature. Before IR
 * version 4, every initializer had to be listed as an input; there, unused ones are removed.
 */
export const eliminateDead: Pass = {
  name: 'eliminate-dead',
  run(model) {
    const given: Given = new Map();
    countOutputs(model.graph, given, 1);
    return { model, modified: sweep(model.graph, given, model.irVersion < 4) };
  },
};

/** Number of (sub)graphs that have a value as output: uses cover only readers among nodes. */
type Given = Map<Value, number>;

function countOutputs(g: Graph, given: Given, by: 1 | -1): void {
  for (const v of g.outputs) given.set(v, (given.get(v) ?? 0) + by);
  for (const n of g.nodes()) for (const sub of n.subgraphs()) countOutputs(sub, given, by);
}

function sweep(g: Graph, given: Given, listedInitializers: boolean): boolean {
  let modified = false;
  const dead = (v: Value): boolean => !v.isUsed && !given.get(v);
  for (const n of g.nodesReversed()) {
    if (n.outputs.every(dead)) {
      for (const sub of n.subgraphs()) {
        countOutputs(sub, given, -1);
        dissolve(sub);
      }
      g.remove(n);
      modified = true;
      continue;
    }
    for (const sub of n.subgraphs()) modified = sweep(sub, given, false) || modified;
  }
  const inputs = new Set(g.inputs);
  for (const v of g.initializers) {
    if (!dead(v) || (inputs.has(v) && !listedInitializers)) continue;
    if (inputs.has(v)) g.inputs.splice(g.inputs.indexOf(v), 1);
    g.removeInitializer(v);
    modified = true;
  }
  return modified;
}

/** Dissolves a graph, so that it no longer counts as a reader of outer values. */
export function dissolve(g: Graph): void {
  for (const n of g.nodesReversed()) {
    for (const sub of n.subgraphs()) dissolve(sub);
    g.remove(n, true);
  }
}
