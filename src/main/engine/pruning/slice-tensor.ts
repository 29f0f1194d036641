/** Tensors with only some indices kept along some axes. */
import { bitsOf, byteSize } from '../ir/dtype.ts';
import { MemoryTensor, sliceChunks, type Tensor } from '../ir/tensor.ts';

/** Larger results are sliced each time they are read, so that a model with external data need not fit in memory. */
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

function gather(
  from: Uint8Array,
  dims: readonly number[],
  kept: readonly (readonly number[] | null)[],
  elementBytes: number,
  total: number,
): Uint8Array {
  const out = new Uint8Array(total);
  let last = dims.length - 1;
  while (last >= 0 && !kept[last]) last--;
  // Everything behind the last sliced axis is copied in one piece.
  let block = elementBytes;
  for (let axis = last + 1; axis < dims.length; axis++) block *= dims[axis]!;
  const strides: number[] = [];
  for (let axis = last, s = block; axis >= 0; axis--) {
    strides[axis] = s;
    s *= dims[axis]!;
  }
  const inner = kept[last] ?? null;
  if (inner && block % 4 === 0 && block <= SHORT) {
    gatherWords(from, out, dims, kept, strides, last, block);
    return out;
  }
  let at = 0;
  const copy = (axis: number, offset: number): void => {
    if (axis > last) {
      out.set(from.subarray(offset, offset + block), at);
      at += block;
      return;
    }
    const indices = kept[axis];
    const n = indices?.length ?? dims[axis]!;
    for (let i = 0; i < n; i++) copy(axis + 1, offset + (indices ? indices[i]! : i) * strides[axis]!);
  };
  copy(0, 0);
  return out;
}

/** Pieces up to this many bytes are copied word by word: a call for each would take several times as long. */
const SHORT = 256;

/** `gather` for many short pieces of whole 4-byte words. */
function gatherWords(
  from: Uint8Array,
  out: Uint8Array,
  dims: readonly number[],
  kept: readonly (readonly number[] | null)[],
  strides: readonly number[],
  last: number,
  block: number,
): void {
  const aligned = from.byteOffset % 4 === 0 && from.byteLength % 4 === 0 ? from : from.slice();
  const source = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >> 2);
  const target = new Uint32Array(out.buffer, out.byteOffset, out.byteLength >> 2);
  const words = block >> 2;
  const inner = Uint32Array.from(kept[last]!, (i) => (i * strides[last]!) / 4);
  let at = 0;
  const copy = (axis: number, offset: number): void => {
    if (axis === last) {
      for (const start of inner) for (let w = 0, i = offset + start; w < words; w++) target[at++] = source[i++]!;
      return;
    }
    const indices = kept[axis];
    const n = indices?.length ?? dims[axis]!;
    for (let i = 0; i < n; i++) copy(axis + 1, offset + ((indices ? indices[i]! : i) * strides[axis]!) / 4);
  };
  copy(0, 0);
}
