/** Converts elements of host tensors to numbers. */
import type { HostTensor } from '../../executor.ts';
import { DType } from '../../ir/dtype.ts';
import { halfToNumber } from '../../ir/tensor.ts';

/** Float data as numbers; null for outputs that are not floats (indices, strings), which do not count. */
export function floats(t: HostTensor): Float32Array | Float64Array | null {
  if (t.dtype === DType.FLOAT16) return Float32Array.from(t.data as Uint16Array, halfToNumber);
  if (t.dtype === DType.FLOAT) return t.data as Float32Array;
  return t.dtype === DType.DOUBLE ? (t.data as Float64Array) : null;
}

/** Integers that are class indices, as numbers. */
export function indices(t: HostTensor): ArrayLike<number> | null {
  if (t.data instanceof BigInt64Array || t.data instanceof BigUint64Array) return Float64Array.from(t.data, Number);
  return ArrayBuffer.isView(t.data) ? (t.data as unknown as ArrayLike<number>) : null;
}
