import type { Model, Node } from '../ir/index.ts';
import { traitsOf } from '../ops/registry.ts';
import type { Pass } from './pass.ts';

/** From here on BatchNormalization gives the batch's own mean and variance, without a node for each step of it. */
const TARGET = 15;

/**
 * Declares operator set 15 where every operator of the model means the same there, for what only newer operators can do.
 * A model that holds one that changed, a subgraph or a function stays as it is.
 */
export const raiseOpset: Pass = {
  name: 'raise-opset',
  run(model) {
    if (model.opset >= TARGET || model.functions.length > 0) return { model, modified: false };
    for (const n of model.graph.nodes()) if (!same(model, n)) return { model, modified: false };
    model.opsets.set('', TARGET);
    return { model, modified: true };
  },
};

function same(model: Model, n: Node): boolean {
  if ([...n.attributes.values()].some((a) => a.kind === 'graph' || a.kind === 'graphs')) return false;
  if (n.domain !== '') return true;
  return !(traitsOf(n).changedIn?.(n) ?? []).some((v) => v > model.opset && v <= TARGET);
}
