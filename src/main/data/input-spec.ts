/** Describes a model input for the data code, and a sample: one tensor per open input. */
import type { HostTensor } from '../engine/executor.ts';

/** Tensors by input name. In a batch, samples lie along the first axis. */
export type Sample = Readonly<Record<string, HostTensor>>;

export interface InputSpec {
  readonly name: string;
  /** E.g. [1, 3, 32, 32]; sizes below 1 are unknown. The first axis is the batch, unless the input is `shared`. */
  readonly shape: readonly number[];
  /** The same shape with a likely size for each unknown one. Images of different sizes are resized to it. */
  readonly likelyShape?: readonly number[] | undefined;
  /** DType number; default FLOAT. */
  readonly dtype?: number | undefined;
  /** Rows of the table that the input indexes: its values are 0 to `ids` - 1. */
  readonly ids?: number | undefined;
  /** The input has no batch axis: one value serves all samples. */
  readonly shared?: boolean | undefined;
  /** The data may omit the input, because its name determines its values. */
  readonly optional?: boolean | undefined;
}

/** True where every size is unknown or equal. */
export const fitsShape = (sample: readonly number[], wanted: readonly number[]): boolean =>
  sample.length === wanted.length && sample.every((d, i) => d === wanted[i] || !(wanted[i]! >= 1));

/** Shape of one sample of an input. */
export const sampleShape = (spec: InputSpec): readonly number[] => (spec.shared ? spec.shape : spec.shape.slice(1));

/** The only input that unnamed data can feed; null where there are several. */
export function soleInput(inputs: readonly InputSpec[]): InputSpec | null {
  const required = inputs.filter((i) => !i.optional);
  const open = required.length === 0 ? inputs : required;
  return open.length === 1 ? open[0]! : null;
}
