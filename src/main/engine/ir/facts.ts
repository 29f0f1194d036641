import type { Value } from './value.ts';

/** Facts about a value from one instrumented run. */
export interface TensorFacts {
  readonly dtype: number;
  readonly shape: readonly number[];
  /** Names of dynamic axes (null = the size is fixed). Absent when every axis is fixed. */
  readonly dynamic?: readonly (string | null)[];
  /** Shapes at other sizes of the inputs, which are the same for all values. Absent when every axis is fixed. */
  readonly elsewhere?: readonly (readonly number[] | null)[];
  /**
   * The value itself, when it is small and does not depend on the data of the inputs (it may depend on their shapes).
   */
  readonly constant?: readonly number[];
  /** Elements of `constant` that follow the sizes of the inputs. Absent when every element is the same at all sizes. */
  readonly varies?: readonly boolean[];
  /** How often the value is computed per run, unless once: values in the body of a Loop or Scan. */
  readonly times?: number;
}

/** Keyed by identity. A serialised form keyed by name exists at the boundaries. */
export type Facts = ReadonlyMap<Value, TensorFacts>;
