import { attrInt } from '../ir/attribute.ts';
import type { Model, Node } from '../ir/index.ts';
import type { Pass } from './pass.ts';

/** From here on BatchNormalization gives the batch's own mean and variance, without a node for each step of it. */
const TARGET = 15;

/**
 * Version from which on an operator that was written for an older one reads differently (onnx/docs/Changelog.md): inputs
 * that were attributes, defaults that changed, operators that are gone. All others mean the same up to the target.
 */
const CHANGED: Readonly<Record<string, readonly number[]>> = {
  Upsample: [9, 10],
  Slice: [10],
  TopK: [10],
  Scan: [9],
  Scatter: [11],
  Clip: [11],
  Pad: [11],
  Resize: [11],
  Split: [13],
  Squeeze: [13],
  Unsqueeze: [13],
  ReduceSum: [13],
  Softmax: [13],
  LogSoftmax: [13],
  Hardmax: [13],
};

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
  if (n.opType === 'BatchNormalization')
    return (
      n.outputs.length === 1 && attrInt(n.attributes.get('training_mode'), 0) === 0 && !n.attributes.has('spatial')
    );
  // The ratio of dropout became an input; without it nothing has changed.
  if (n.opType === 'Dropout' && n.attributes.has('ratio') && model.opset < 12) return false;
  return !(CHANGED[n.opType] ?? []).some((v) => v > model.opset);
}
