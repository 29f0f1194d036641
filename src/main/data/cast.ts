/** Converts numbers between element types. */
import { SecateurError } from '../../shared/contract/errors.ts';
import { DType, dtypeName } from '../engine/ir/dtype.ts';
import { halfToNumber, numberToHalf, type NumericArray } from '../engine/ir/tensor.ts';

type Numbers = ArrayLike<number | bigint>;

const number = (x: number | bigint): number => Number(x);
const big = (x: number | bigint): bigint => BigInt(x);

/** Writes numbers as elements of a type; null where the type does not support it. */
const WRITERS: Readonly<Record<number, (from: Numbers) => NumericArray>> = {
  [DType.FLOAT]: (a) => Float32Array.from(a as ArrayLike<number>, number),
  [DType.DOUBLE]: (a) => Float64Array.from(a as ArrayLike<number>, number),
  [DType.FLOAT16]: (a) => Uint16Array.from(a as ArrayLike<number>, (x) => numberToHalf(Number(x))),
  [DType.UINT8]: (a) => Uint8Array.from(a as ArrayLike<number>, number),
  [DType.INT8]: (a) => Int8Array.from(a as ArrayLike<number>, number),
  [DType.UINT16]: (a) => Uint16Array.from(a as ArrayLike<number>, number),
  [DType.INT16]: (a) => Int16Array.from(a as ArrayLike<number>, number),
  [DType.UINT32]: (a) => Uint32Array.from(a as ArrayLike<number>, number),
  [DType.INT32]: (a) => Int32Array.from(a as ArrayLike<number>, number),
  [DType.UINT64]: (a) => BigUint64Array.from(a as ArrayLike<bigint>, big),
  [DType.INT64]: (a) => BigInt64Array.from(a as ArrayLike<bigint>, big),
  [DType.BOOL]: (a) => Uint8Array.from(a as ArrayLike<number>, (x) => Number(Number(x) !== 0)),
};

/** Values as numbers. Half floats are stored as their bits. */
export const readable = (data: NumericArray, dtype: number): Numbers =>
  dtype === DType.FLOAT16 ? Float32Array.from(data as Uint16Array, halfToNumber) : (data as Numbers);

/**
 * @param from its element type
 * @throws 'data-shape' for a type that is not supported
 */
export function castTo(data: NumericArray, from: number, to: number): NumericArray {
  if (from === to) return data;
  const write = WRITERS[to];
  if (!write)
    throw new SecateurError('data-shape', { reason: `inputs of type ${dtypeName(to)} cannot be made from data` });
  return write(readable(data, from));
}
