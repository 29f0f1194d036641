/**
 * Connects data and models: the inputs that receive data, batches of the model's size, and the
 * samples in its outputs.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Sample } from '../../data/input-spec.ts';
import { batchFirst } from '../../engine/batch-first.ts';
import { joinRows, rowsAt, type HostTensor } from '../../engine/executor.ts';
import type { Meanings, Outputs } from '../../engine/heads/contract.ts';
import { pictureOf } from '../../engine/heads/support/detections.ts';
import type { Model } from '../../engine/ir/model.ts';
import { batchAxes } from '../../runtime/axes.ts';
import { inputShapes, type InputShape } from '../../runtime/random-inputs.ts';

export interface DataInput extends InputShape {
  /** True when the input has no batch axis: one value serves all samples. */
  readonly shared: boolean;
}

export interface DataInputs {
  /** In the graph's order. */
  readonly inputs: readonly DataInput[];
  /** Samples per run when the model fixes them, else null. */
  readonly fixedBatch: number | null;
  /** Names of the inputs without a batch axis. */
  readonly shared: ReadonlySet<string>;
}

/**
 * The inputs that receive data. @throws 'data-shape' when samples do not lie along the first axis
 * of an input
 */
export function dataInputs(model: Model): DataInputs {
  const shapes = inputShapes(model);
  const batches = batchAxes(model);
  const isBatch = (name: string | null): boolean => name !== null && batches.has(name);
  for (const { name, dynamic } of shapes) {
    const axis = dynamic.findIndex(isBatch);
    if (axis > 0)
      throw new SecateurError('data-shape', {
        reason: `samples lie along axis ${axis} of the input ${name}, and data are given along the first`,
      });
  }
  const [first] = shapes;
  if (shapes.length === 1 && first) {
    const fixedBatch = (first.dynamic[0] ?? null) === null ? Math.max(1, first.dims[0] ?? 1) : null;
    return { inputs: [{ ...first, shared: false }], fixedBatch, shared: new Set() };
  }
  const open = shapes.some((s) => isBatch(s.dynamic[0] ?? null));
  // When all sizes are fixed, the batch is the first size of the first input with axes.
  const size = open ? null : Math.max(1, shapes.find((s) => s.dims.length > 0)?.dims[0] ?? 1);
  const perSample = (s: InputShape): boolean => (open ? isBatch(s.dynamic[0] ?? null) : s.dims[0] === size);
  const inputs = shapes.map((s) => ({ ...s, shared: !perSample(s) }));
  return { inputs, fixedBatch: size, shared: new Set(inputs.filter((i) => i.shared).map((i) => i.name)) };
}

/**
 * Repeats the first sample up to `size`, for models with a fixed batch size and to keep shapes
 * constant.
 */
export function pad(t: HostTensor, size: number): HostTensor {
  const have = t.dims[0]!;
  if (have === size) return t;
  const first = rowsAt(t, 0, 1);
  return joinRows([t, ...Array.from({ length: size - have }, () => first)]);
}

/** The samples of all inputs, padded to `size`. */
export const padded = (sample: Sample, size: number, { shared }: Pick<DataInputs, 'shared'>): Sample =>
  mapSample(sample, (t, name) => (shared.has(name) ? t : pad(t, size)));

export const mapSample = (sample: Sample, f: (t: HostTensor, name: string) => HostTensor): Record<string, HostTensor> =>
  Object.fromEntries(Object.entries(sample).map(([name, t]) => [name, f(t, name)]));

/** Height and width of the images in a run's inputs; null without images. */
export const pictureIn = (feeds: Sample, main: string | undefined): readonly [number, number] | null =>
  pictureOf((main === undefined ? undefined : feeds[main])?.dims);

/** The first `count` samples of every output with the batch as its first axis. */
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

/**
 * Moves the batch of every output to the front, and returns the first `count` of `size` samples.
 */
export const samplesOf = (outputs: Outputs, meanings: Meanings, count: number, size: number): Outputs =>
  cut(
    Object.fromEntries(
      Object.entries(outputs).map(([name, t]) => [name, batchFirst(t, meanings.get(name)?.batchAxis ?? 0)]),
    ),
    count,
    size,
  );
