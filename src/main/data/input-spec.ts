/** An input of a model, as data see it, and a sample: one tensor for every open input. */
import type { HostTensor } from '../engine/executor.ts';

/** Tensors by input name. Of a batch, the samples lie along the first axis. */
export type Sample = Readonly<Record<string, HostTensor>>;

export interface InputSpec {
  readonly name: string;
  /** E.g. [1, 3, 32, 32]; sizes below 1 are unknown. The first axis is the batch, unless the input is `shared`. */
  readonly shape: readonly number[];
  /** The same with a likely size for each unknown one: images of different sizes are brought to it. */
  readonly likelyShape?: readonly number[] | undefined;
  /** DType number; default FLOAT. */
  readonly dtype?: number | undefined;
  /** Rows of the table that the input indexes: its values are from 0 to `ids` - 1. */
  readonly ids?: number | undefined;
  /** The input has no batch axis: one value serves all samples. */
  readonly shared?: boolean | undefined;
  /** The data may leave the input out, because its name says what it holds. */
  readonly optional?: boolean | undefined;
}

/** True where a size is unknown or equal. */
export const fitsShape = (sample: readonly number[], wanted: readonly number[]): boolean =>
  sample.length === wanted.length && sample.every((d, i) => d === wanted[i] || !(wanted[i]! >= 1));

/** Shape of one sample of an input. */
export const sampleShape = (spec: InputSpec): readonly number[] => (spec.shared ? spec.shape : spec.shape.slice(1));

/** The only input that data without names can be for; null where there are several. */
export function soleInput(inputs: readonly InputSpec[]): InputSpec | null {
  const required = inputs.filter((i) => !i.optional);
  const open = required.length === 0 ? inputs : required;
  return open.length === 1 ? open[0]! : null;
}
