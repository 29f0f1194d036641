/** What a model must be before anything is run, measured or compared: it reads tensors and gives tensors. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { Value } from '../../engine/ir/value.ts';
import { traitsOf } from '../../engine/ops/registry.ts';
import { nonTensorName } from '../../engine/onnx/index.ts';
import { DType, dtypeName } from '../../engine/ir/dtype.ts';
import { fedInputs } from '../../runtime/axes.ts';
import { isTransferable } from '../../runtime/tensors.ts';

export interface RunnableOptions {
  /** Whether a model without inputs will do: it can be looked at, but there is nothing to feed or to compare. */
  readonly withoutInputs?: boolean;
}

/** @throws SecateurError 'model-no-inputs'; 'input-not-tensor', 'input-type', 'output-not-tensor' naming the value and its type */
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
}

function outputType(v: Value): string | null {
  if (v.type) return nonTensorName(v.type);
  return (v.producer && traitsOf(v.producer).sequence?.makes) ?? null;
}
