import { DType, byteSize, elementCount } from './dtype.ts';

/**
 * A constant tensor. An interface, so that the data can be in memory, in an external file or computed lazily. `dims` in
 * elements; bytes are little-endian, row-major, sub-byte types packed low nibble first.
 */
export interface Tensor {
  readonly dtype: number;
  readonly dims: readonly number[];
  /** Bytes of the dense data; 0 for strings. */
  readonly byteLength: number;
  /** The whole data. Can read a file, so call it only when the data is needed. */
  bytes(): Uint8Array;
  /**
   * The data in pieces, for streaming copies that keep memory use flat. Each piece is valid until the next is
   * requested.
   */
  chunks(maxBytes?: number): Iterable<Uint8Array>;
  /** Elements of a STRING tensor (UTF-8 bytes each); undefined otherwise. */
  readonly strings?: readonly Uint8Array[];
}

export type NumericArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** Slices a byte array into pieces without copying. */
export function* sliceChunks(data: Uint8Array, maxBytes = 1 << 20): Iterable<Uint8Array> {
  for (let at = 0; at < data.length; at += maxBytes) yield data.subarray(at, Math.min(at + maxBytes, data.length));
}

export class MemoryTensor implements Tensor {
  readonly dtype: number;
  readonly dims: readonly number[];
  readonly #data: Uint8Array;
  readonly strings?: readonly Uint8Array[];

  constructor(dtype: number, dims: readonly number[], data: Uint8Array, strings?: readonly Uint8Array[]) {
    const want = byteSize(dtype, dims);
    if (want !== undefined && want !== data.length)
      throw new RangeError(`tensor ${dims} of type ${dtype} needs ${want} bytes, has ${data.length}`);
    this.dtype = dtype;
    this.dims = dims;
    this.#data = data;
    if (strings) this.strings = strings;
  }

  get byteLength(): number {
    return this.#data.length;
  }
  bytes(): Uint8Array {
    return this.#data;
  }
  chunks(maxBytes?: number): Iterable<Uint8Array> {
    return sliceChunks(this.#data, maxBytes);
  }
}

const asBytes = (a: NumericArray): Uint8Array => new Uint8Array(a.buffer, a.byteOffset, a.byteLength);

/** A runtime's output as a tensor over the same memory. */
export const tensorFrom = (t: { dtype: number; dims: readonly number[]; data: NumericArray }): MemoryTensor =>
  new MemoryTensor(t.dtype, t.dims, new Uint8Array(t.data.buffer, t.data.byteOffset, t.data.byteLength));

export const f32 = (data: Float32Array | readonly number[], dims: readonly number[]): Tensor =>
  new MemoryTensor(DType.FLOAT, dims, asBytes(data instanceof Float32Array ? data : Float32Array.from(data)));

/** An int64 tensor; `dims` defaults to one axis of the data's length. */
export const i64 = (data: readonly (number | bigint)[], dims: readonly number[] = [data.length]): Tensor =>
  new MemoryTensor(DType.INT64, dims, asBytes(BigInt64Array.from(data, (x) => BigInt(x))));

export const scalarF32 = (x: number): Tensor => f32([x], []);

/** Converts bfloat16/float16 bits to a number. */
export function halfToNumber(h: number): number {
  const s = h & 0x8000 ? -1 : 1,
    e = (h >> 10) & 31,
    m = h & 1023;
  if (e === 0) return s * m * 2 ** -24;
  if (e === 31) return m ? NaN : s * Infinity;
  return s * (1 + m / 1024) * 2 ** (e - 15);
}

/** The nearest float16 bits (ties to even). */
export function numberToHalf(x: number): number {
  F32[0] = x;
  const b = U32[0]!,
    sign = (b >>> 16) & 0x8000,
    abs = b & 0x7fffffff;
  if (abs > 0x7f800000) return sign | 0x7e00;
  if (abs >= 0x47800000) return sign | 0x7c00; // 65536 and above, infinity too
  if (abs < 0x38800000) return sign | roundEven(Math.abs(F32[0]!) * 2 ** 24); // subnormal
  const rounded = (abs + 0xfff + ((abs >>> 13) & 1)) >>> 13;
  return sign | (rounded - (112 << 10));
}
const F32 = new Float32Array(1),
  U32 = new Uint32Array(F32.buffer);
function roundEven(x: number): number {
  const f = Math.floor(x),
    d = x - f;
  return d > 0.5 || (d === 0.5 && f % 2 === 1) ? f + 1 : f;
}

// Copied with the constructor: slice() of a Node Buffer is a view.
const aligned = (b: Uint8Array, size: number): Uint8Array => (b.byteOffset % size === 0 ? b : new Uint8Array(b));

/** The tensor's own typed array (a view where alignment allows); half types come as Uint16Array, bool as Uint8Array. */
export function typedArray(t: Tensor): NumericArray {
  const make = <A>(C: new (b: ArrayBufferLike, o: number, n: number) => A, size: number): A => {
    const b = aligned(t.bytes(), size);
    return new C(b.buffer, b.byteOffset, b.byteLength / size);
  };
  switch (t.dtype) {
    case DType.FLOAT:
      return make(Float32Array, 4);
    case DType.DOUBLE:
      return make(Float64Array, 8);
    case DType.INT8:
      return make(Int8Array, 1);
    case DType.INT16:
      return make(Int16Array, 2);
    case DType.INT32:
      return make(Int32Array, 4);
    case DType.INT64:
      return make(BigInt64Array, 8);
    case DType.UINT16:
    case DType.FLOAT16:
    case DType.BFLOAT16:
      return make(Uint16Array, 2);
    case DType.UINT32:
      return make(Uint32Array, 4);
    case DType.UINT64:
      return make(BigUint64Array, 8);
    default:
      return t.bytes();
  }
}

/** Values as float32 (copied unless the tensor is float32 already). Integers and halves are converted. */
export function toFloat32(t: Tensor): Float32Array {
  const a = typedArray(t);
  if (a instanceof Float32Array) return a;
  if (t.dtype === DType.FLOAT16) return Float32Array.from(a as Uint16Array, halfToNumber);
  if (t.dtype === DType.BFLOAT16) {
    const out = new Uint32Array(a.length);
    for (let i = 0; i < a.length; i++) out[i] = (a as Uint16Array)[i]! << 16;
    return new Float32Array(out.buffer);
  }
  return Float32Array.from(a as ArrayLike<number | bigint>, Number);
}

/** Values as plain numbers; for small integer tensors such as shapes and axes. */
export function toNumbers(t: Tensor): number[] {
  if (elementCount(t.dims) === 0) return [];
  return Array.from(
    t.dtype === DType.FLOAT16 || t.dtype === DType.BFLOAT16
      ? toFloat32(t)
      : (typedArray(t) as ArrayLike<number | bigint>),
    Number,
  );
}
