/** Between data and models: the input that data go to, batches of the size that a model takes, and the samples in its outputs. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import { batchFirst } from '../../engine/batch-first.ts';
import { joinRows, rowsAt, type HostTensor } from '../../engine/executor.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { Meanings, Outputs } from '../../engine/heads/contract.ts';
import { inputShapes } from '../../runtime/random-inputs.ts';

/** The input that data goes to. @throws 'data-shape' when it is not clear which */
export function dataInput(model: Model, named?: string, feeds: Readonly<Record<string, unknown>> = {}) {
  const inputs = inputShapes(model).filter((s) => !(s.name in feeds)),
    found = named === undefined ? inputs : inputs.filter((s) => s.name === named);
  if (found.length !== 1)
    throw new SecateurError('data-shape', {
      reason: `the model has ${inputs.length} open inputs (${inputs.map((s) => s.name).join(', ')}) and the data fit one`,
    });
  const input = found[0]!;
  return {
    name: input.name,
    dtype: input.dtype,
    dims: input.dims,
    dynamic: input.dynamic,
    fixedBatch: input.dynamic[0] === null,
  };
}

/** Repeats the first sample up to `size`: for models whose batch size is fixed, and to keep shapes the same. */
export function pad(t: HostTensor, size: number): HostTensor {
  const have = t.dims[0]!;
  if (have === size) return t;
  const first = rowsAt(t, 0, 1);
  return joinRows([t, ...Array.from({ length: size - have }, () => first)]);
}

/** The first `count` samples of every output that has the batch as its first axis. */
function cut(outputs: Outputs, count: number, size: number): Outputs {
  if (count === size) return outputs;
  return Object.fromEntries(
    Object.entries(outputs).map(([name, t]) => {
      if (t.dims[0] !== size) return [name, t];
      const data = t.data.subarray(0, (t.data.length / size) * count);
      return [name, { dtype: t.dtype, dims: [count, ...t.dims.slice(1)], data }];
    }),
  );
}

/** Outputs of `size` samples with the batch first, wherever the model has it, and of them the first `count`. */
export const samplesOf = (outputs: Outputs, meanings: Meanings, count: number, size: number): Outputs =>
  cut(
    Object.fromEntries(
      Object.entries(outputs).map(([name, t]) => [name, batchFirst(t, meanings.get(name)?.batchAxis ?? 0)]),
    ),
    count,
    size,
  );
