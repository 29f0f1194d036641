/** Values for inputs whose names say what they hold: positions, masks, timesteps, switches. */
import type { HostTensor } from '../executor.ts';
import { DType, elementCount } from '../ir/dtype.ts';
import { numberToHalf, type NumericArray } from '../ir/tensor.ts';

export interface InputDims {
  readonly name: string;
  readonly dtype: number;
  readonly dims: readonly number[];
}

/** In the middle of the thousand steps that denoisers are trained with. */
const TIMESTEP = 500;

/**
 * The value of an input, null where its name says nothing.
 * @param all inputs of the same run: positions begin behind the cache
 */
export function namedInput({ name, dtype, dims }: InputDims, all: readonly InputDims[]): HostTensor | null {
  const filled = (at: (i: number) => number): HostTensor => ({ dtype, dims, data: dataOf(dtype, dims, at) });
  if (/position_ids$/i.test(name)) {
    const last = dims.at(-1) ?? 1;
    const past = pastLength(all);
    return filled((i) => past + (i % last));
  }
  if (/mask/i.test(name)) return filled(() => 1);
  if (/^(timesteps?|sigma)$/i.test(name)) return filled(() => TIMESTEP);
  if (/^use_cache_branch$/i.test(name)) return filled(() => Number(pastLength(all) > 0));
  if (/grid_thw$/i.test(name)) {
    const patches = all.find((p) => /pixel_values/i.test(p.name))?.dims[0] ?? 4;
    // As square as an even number of rows allows.
    let rows = Math.max(1, Math.floor(Math.sqrt(patches)));
    while (rows > 1 && (patches % rows !== 0 || rows % 2 !== 0)) rows--;
    return filled((i) => [1, rows, patches / rows][i % 3]!);
  }
  return null;
}

/** Tokens in the cache of a run. */
const pastLength = (all: readonly InputDims[]): number =>
  all.find((p) => /^past_|^past\./i.test(p.name) && p.dims.length === 4)?.dims[2] ?? 0;

function dataOf(dtype: number, dims: readonly number[], at: (i: number) => number): NumericArray {
  const numbers = Array.from({ length: elementCount(dims) }, (_, i) => at(i));
  switch (dtype) {
    case DType.INT64:
      return BigInt64Array.from(numbers, (x) => BigInt(x));
    case DType.INT32:
      return Int32Array.from(numbers);
    case DType.FLOAT16:
      return Uint16Array.from(numbers, numberToHalf);
    case DType.DOUBLE:
      return Float64Array.from(numbers);
    case DType.BOOL:
    case DType.UINT8:
      return Uint8Array.from(numbers);
    default:
      return Float32Array.from(numbers);
  }
}
