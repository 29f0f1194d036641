/** Tensors reduced to some indices along some axes, and back. */
import { bitsOf, byteSize } from '../../ir/dtype.ts';
import { MemoryTensor, sliceChunks, type Tensor } from '../../ir/tensor.ts';

/** Larger results are sliced at each read, so that a model with external data need not fit in memory. */
const KEEP_IN_MEMORY = 64 << 20;

/** Keeps indices `kept[axis]` (ascending or not; null = all) of each axis. Elements must be whole bytes. */
export function sliceTensor(t: Tensor, kept: readonly (readonly number[] | null)[]): Tensor {
  const dims = t.dims.map((n, axis) => kept[axis]?.length ?? n);
  const bytes = byteSize(t.dtype, dims);
  const bits = bitsOf(t.dtype);
  if (bytes === undefined || !bits || bits % 8 !== 0) throw new RangeError(`type ${t.dtype} cannot be sliced`);
  if (bytes <= KEEP_IN_MEMORY) return new MemoryTensor(t.dtype, dims, gather(t.bytes(), t.dims, kept, bits / 8, bytes));
  const read = (): Uint8Array => gather(t.bytes(), t.dims, kept, bits / 8, bytes);
  return { dtype: t.dtype, dims, byteLength: bytes, bytes: read, chunks: (max) => sliceChunks(read(), max) };
}

/**
 * The inverse of `sliceTensor`: elements at the kept indices, zeros elsewhere.
 * @param dims of the whole tensor
 * @throws RangeError when `t` is not such a slice
 */
export function spreadTensor(t: Tensor, dims: readonly number[], kept: readonly (readonly number[] | null)[]): Tensor {
  const bytes = byteSize(t.dtype, dims);
  const bits = bitsOf(t.dtype);
  if (bytes === undefined || !bits || bits % 8 !== 0) throw new RangeError(`type ${t.dtype} cannot be spread`);
  if (dims.some((n, axis) => (kept[axis]?.length ?? n) !== t.dims[axis])) throw new RangeError('the shapes do not fit');
  const [from, out] = [t.bytes(), new Uint8Array(bytes)];
  const { block, each } = piecesOf(dims, kept, bits / 8);
  let at = 0;
  each((offset) => {
    out.set(from.subarray(at, at + block), offset);
    at += block;
  });
  return new MemoryTensor(t.dtype, dims, out);
}

function gather(
  from: Uint8Array,
  dims: readonly number[],
  kept: readonly (readonly number[] | null)[],
  elementBytes: number,
  total: number,
): Uint8Array {
  const out = new Uint8Array(total);
  const { block, each } = piecesOf(dims, kept, elementBytes);
  // Many short pieces are copied word by word, because one call per piece would take several times as long.
  const short = block % 4 === 0 && block <= SHORT;
  const [source, target] = short ? [wordsOf(from), wordsOf(out)] : [from, out];
  const unit = short ? 4 : 1;
  const length = block / unit;
  let at = 0;
  each((offset) => {
    if (short) for (let w = 0, first = offset / 4; w < length; w++) target[at + w] = source[first + w]!;
    else target.set(source.subarray(offset, offset + length), at);
    at += length;
  });
  return out;
}

/** The kept parts as contiguous pieces: the size of one in bytes, and an iteration over their offsets, in order. */
function piecesOf(dims: readonly number[], kept: readonly (readonly number[] | null)[], elementBytes: number) {
  let last = dims.length - 1;
  while (last >= 0 && !kept[last]) last--;
  // Everything after the last sliced axis is one piece.
  let block = elementBytes;
  for (let axis = last + 1; axis < dims.length; axis++) block *= dims[axis]!;
  const strides: number[] = [];
  for (let axis = last, s = block; axis >= 0; axis--) {
    strides[axis] = s;
    s *= dims[axis]!;
  }
  const each = (visit: (offset: number) => void): void => {
    const walk = (axis: number, offset: number): void => {
      if (axis > last) return visit(offset);
      const indices = kept[axis];
      const n = indices?.length ?? dims[axis]!;
      for (let i = 0; i < n; i++) walk(axis + 1, offset + (indices ? indices[i]! : i) * strides[axis]!);
    };
    walk(0, 0);
  };
  return { block, each };
}

/** Bytes. */
const SHORT = 256;

/** The same bytes as 4-byte words, copied where they are not aligned to words. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Uint32Array(buffer, byteOffset, byteLength >> 2);
}
