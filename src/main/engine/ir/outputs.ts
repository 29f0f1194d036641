/**
 * Outputs that must have a name. ONNX lets trailing and optional outputs be left out by an empty name; the runtime's
 * kernels of some operators write to every output all the same, and end the process where one is missing.
 */
import { traitsOf } from '../ops/registry.ts';
import type { Graph } from './graph.ts';
import type { Model } from './model.ts';
import type { Node } from './node.ts';

/** True when an unnamed output in the list of the node makes it one that the runtime refuses or crashes on. */
export function needsEveryOutput(node: Node): boolean {
  const { writesEveryOutput } = traitsOf(node);
  return typeof writesEveryOutput === 'function' ? writesEveryOutput(node) : writesEveryOutput === true;
}

/** Names what must have a name, in subgraphs too; changes the model in place. Returns how many outputs got one. */
export function nameRequiredOutputs(model: Model): number {
  let count = 0;
  const name = (g: Graph): void => {
    for (const n of g.nodes()) {
      for (const sub of n.subgraphs()) name(sub);
      if (!needsEveryOutput(n)) continue;
      for (const o of n.outputs)
        if (!o.name) {
          o.name = model.graph.freshName(`${n.name || n.opType}_unused`);
          count++;
        }
    }
  };
  name(model.graph);
  return count;
}
