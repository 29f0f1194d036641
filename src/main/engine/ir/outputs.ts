/**
 * Outputs that must have a name. ONNX allows trailing and optional outputs to be omitted with an empty name. The
 * runtime's kernels of some operators write to every output anyway, and crash the process where one is missing.
 */
import { traitsOf } from '../ops/registry.ts';
import type { Graph } from './graph.ts';
import type { Model } from './model.ts';
import type { Node } from './node.ts';

/** True when an unnamed output makes the runtime refuse the node or crash on it. */
export function needsEveryOutput(node: Node): boolean {
  const { writesEveryOutput } = traitsOf(node);
  return typeof writesEveryOutput === 'function' ? writesEveryOutput(node) : writesEveryOutput === true;
}

/**
 * Names the required outputs, in subgraphs too. Changes the model in place.
 * @returns number of outputs named
 */
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
