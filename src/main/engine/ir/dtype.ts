/** Element types, numbered as in onnx.proto3 (TensorProto.DataType). Unknown numbers are kept unchanged. */
export const DType = {
  UNDEFINED: 0,
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
  COMPLEX64: 14,
  COMPLEX128: 15,
  BFLOAT16: 16,
  FLOAT8E4M3FN: 17,
  FLOAT8E4M3FNUZ: 18,
  FLOAT8E5M2: 19,
  FLOAT8E5M2FNUZ: 20,
  UINT4: 21,
  INT4: 22,
  FLOAT4E2M1: 23,
  FLOAT8E8M0: 24,
  UINT2: 25,
  INT2: 26,
} as const;

const BITS: Record<number, number> = {
  1: 32,
  2: 8,
  3: 8,
  4: 16,
  5: 16,
  6: 32,
  7: 64,
  9: 8,
  10: 16,
  11: 64,
  12: 32,
  13: 64,
  14: 64,
  15: 128,
  16: 16,
  17: 8,
  18: 8,
  19: 8,
  20: 8,
  21: 4,
  22: 4,
  23: 4,
  24: 8,
  25: 2,
  26: 2,
};

const NAMES = new Map<number, string>(Object.entries(DType).map(([k, v]) => [v, k.toLowerCase()]));

/** Bits per element, or undefined for strings and unknown types. */
export const bitsOf = (dtype: number): number | undefined => BITS[dtype];
export const dtypeName = (dtype: number): string => NAMES.get(dtype) ?? `type${dtype}`;
export const isFloat = (dtype: number): boolean =>
  dtype === DType.FLOAT || dtype === DType.DOUBLE || dtype === DType.FLOAT16 || dtype === DType.BFLOAT16;

export const elementCount = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** Bytes of a dense tensor (sub-byte types are packed, rounded up), or undefined for strings and unknown types. */
export function byteSize(dtype: number, dims: readonly number[]): number | undefined {
  const bits = bitsOf(dtype);
  return bits === undefined ? undefined : Math.ceil((elementCount(dims) * bits) / 8);
}
