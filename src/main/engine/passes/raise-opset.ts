import type { Model, Node } from '../ir/index.ts';
import { traitsOf } from '../ops/registry.ts';
import type { Pass } from './pass.ts';

/**
 * From this version on, BatchNormalization returns the batch's own mean and variance without a separate node per step.
 */
const TARGET = 15;

/**
 * Declares operator set 15 where every operator of the model has the same meaning there, to enable newer operators. A
 * model stays unchanged if it contains an operator that changed, a subgraph or a function.
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
