/**
 * Checks before a model is run, measured or compared: weights are present, and inputs and outputs
 * are tensors.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Graph } from '../../engine/ir/graph.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { Value } from '../../engine/ir/value.ts';
import { traitsOf } from '../../engine/ops/registry.ts';
import { isMissing, nonTensorName } from '../../engine/onnx/index.ts';
import { DType, dtypeName } from '../../engine/ir/dtype.ts';
import { fedInputs } from '../../runtime/axes.ts';
import { isTransferable } from '../../runtime/tensors.ts';

export interface RunnableOptions {
  /** Accepts a model without inputs. It can be inspected, but not fed or compared. */
  readonly withoutInputs?: boolean;
}

/**
 * @throws SecateurError 'model-no-inputs'; 'weights-missing' naming the first tensor without data; 'input-not-tensor',
 * 'input-type', 'output-not-tensor' naming the value and its type
 */
export function requireRunnable(model: Model, options: RunnableOptions = {}): void {
  const inputs = fedInputs(model);
  for (const v of inputs) {
    const type = nonTensorName(v.type);
    if (type !== null) throw new SecateurError('input-not-tensor', { input: v.name, type });
    const dtype = v.type?.elemType ?? DType.UNDEFINED;
    if (dtype !== DType.UNDEFINED && !isTransferable(dtype))
      throw new SecateurError('input-type', { input: v.name, type: dtypeName(dtype) });
  }
  for (const v of model.graph.outputs) {
    const type = outputType(v);
    if (type !== null) throw new SecateurError('output-not-tensor', { output: v.name, type });
  }
  if (inputs.length === 0 && !options.withoutInputs) throw new SecateurError('model-no-inputs');
  const missing = [...missingTensors(model.graph)];
  if (missing.length) throw new SecateurError('weights-missing', { tensor: missing[0], count: missing.length });
}

/** Names of tensors without data: initializers and attributes, including subgraphs. */
function* missingTensors(graph: Graph): Generator<string> {
  for (const v of graph.initializers) if (v.initializer && isMissing(v.initializer)) yield v.name;
  for (const node of graph.nodes()) {
    for (const a of node.attributes.values()) if (a.kind === 'tensor' && isMissing(a.value)) yield node.label;
    for (const body of node.subgraphs()) yield* missingTensors(body);
  }
}

function outputType(v: Value): string | null {
  if (v.type) return nonTensorName(v.type);
  return (v.producer && traitsOf(v.producer).sequence?.makes) ?? null;
}
