import { SecateurError } from '../../../shared/contract/errors.ts';
import { DType, bitsOf, elementCount, type Tensor } from '../ir/index.ts';
import { TENSOR } from './schema.ts';
import type { ByteSource } from './source.ts';
import { BYTES, WireReader } from './wire-reader.ts';

/** Location of a read tensor's data. */
export type TensorData =
  /** raw_data or external data: bytes of a source, unchanged. */
  | { readonly kind: 'range'; readonly source: ByteSource; readonly start: number; readonly external: boolean }
  /** float_data, int32_data, ...: the encoded fields. */
  | { readonly kind: 'typed'; readonly source: ByteSource; readonly ranges: readonly number[] }
  /** Shape and type only. Some models are published this way, with the weights separate. */
  | { readonly kind: 'missing' }
  /** External data that cannot be resolved: the model came without a folder. */
  | { readonly kind: 'unresolved'; readonly location: string };

/** Fits the second-level cache. Copying through a larger buffer takes twice as long as a copy inside the kernel. */
const CHUNK = 256 << 10;

/** A tensor of a model file. Its data is read on demand. */
export class EncodedTensor implements Tensor {
  readonly dtype: number;
  readonly dims: readonly number[];
  readonly byteLength: number;
  readonly data: TensorData;
  /** The name inside the TensorProto. For an initializer, the Value's name applies instead. */
  readonly name: string;
  readonly docString: string;
  /** Fields that are not interpreted (segment, metadata, future ones), encoded. */
  readonly extra: Uint8Array | null;
  /** Decoding or reading again is cheap compared to holding gigabytes, so the garbage collector decides. */
  #cache: WeakRef<Uint8Array> | null = null;
  #strings: readonly Uint8Array[] | undefined;

  constructor(p: {
    dtype: number;
    dims: readonly number[];
    byteLength: number;
    data: TensorData;
    name: string;
    docString: string;
    extra: Uint8Array | null;
  }) {
    this.dtype = p.dtype;
    this.dims = p.dims;
    this.byteLength = p.byteLength;
    this.data = p.data;
    this.name = p.name;
    this.docString = p.docString;
    this.extra = p.extra;
  }

  bytes(): Uint8Array {
    const held = this.#cache?.deref();
    if (held) return held;
    const d = this.data;
    let out: Uint8Array;
    if (d.kind === 'range') out = d.source.read(d.start, this.byteLength);
    else if (d.kind === 'typed')
      out = this.dtype === DType.STRING ? new Uint8Array(0) : decodeTyped(this.dtype, this.byteLength, d);
    else this.#unavailable();
    this.#cache = new WeakRef(out);
    return out;
  }

  *chunks(maxBytes = CHUNK): Iterable<Uint8Array> {
    const d = this.data;
    if (d.kind !== 'range') {
      const b = this.bytes();
      for (let at = 0; at < b.length; at += maxBytes) yield b.subarray(at, Math.min(at + maxBytes, b.length));
      return;
    }
    // One buffer for all pieces where the source can fill it: new ones would cost as much as the copy itself.
    const { source } = d;
    const buffer = source.readInto ? new Uint8Array(Math.min(maxBytes, this.byteLength)) : null;
    for (let at = 0; at < this.byteLength; at += maxBytes) {
      const n = Math.min(maxBytes, this.byteLength - at);
      if (!buffer) yield source.read(d.start + at, n);
      else {
        const piece = buffer.subarray(0, n);
        source.readInto!(d.start + at, piece);
        yield piece;
      }
    }
  }

  get strings(): readonly Uint8Array[] | undefined {
    if (this.dtype !== DType.STRING || this.data.kind !== 'typed') return undefined;
    return (this.#strings ??= readStrings(this.data));
  }

  #unavailable(): never {
    const tensor = this.name || `of shape [${this.dims.join(', ')}]`;
    if (this.data.kind === 'unresolved')
      throw new SecateurError('external-data-missing', { tensor, location: this.data.location });
    throw new SecateurError('model-invalid', { reason: `tensor ${tensor} has a shape and a type but no data` });
  }
}

/** True for a tensor that was read with shape and type but without data. */
export const isMissing = (t: Tensor): t is EncodedTensor => t instanceof EncodedTensor && t.data.kind === 'missing';

/** The repeated field of TensorProto for elements of this type; undefined where only raw_data is possible. */
export function typedFieldOf(dtype: number): number | undefined {
  switch (dtype) {
    case DType.FLOAT:
    case DType.COMPLEX64:
      return TENSOR.floatData;
    case DType.DOUBLE:
    case DType.COMPLEX128:
      return TENSOR.doubleData;
    case DType.INT64:
      return TENSOR.int64Data;
    case DType.UINT32:
    case DType.UINT64:
      return TENSOR.uint64Data;
    case DType.STRING:
      return TENSOR.stringData;
    default:
      return bitsOf(dtype) === undefined ? undefined : TENSOR.int32Data;
  }
}

/**
 * Number of entries that the field must have. Sub-byte types have one entry per packed byte, complex ones two per
 * element.
 */
export function typedEntries(dtype: number, dims: readonly number[]): number {
  const n = elementCount(dims);
  const bits = bitsOf(dtype) ?? 8;
  if (dtype === DType.COMPLEX64 || dtype === DType.COMPLEX128) return 2 * n;
  return bits < 8 ? Math.ceil((n * bits) / 8) : n;
}

/** A reader for each run of entries: a packed field is one run, an unpacked entry a run by itself. */
function* entries(
  data: { readonly source: ByteSource; readonly ranges: readonly number[] },
  field: number,
  base?: WireReader,
): Iterable<WireReader> {
  for (let i = 0; i < data.ranges.length; i += 2) {
    const start = data.ranges[i]!,
      end = data.ranges[i + 1]!;
    const r = base?.at(start, end) ?? new WireReader(data.source, undefined, start, end);
    while (r.next()) {
      if (r.field !== field) {
        r.skip();
        continue;
      }
      if (r.wire === BYTES && field !== TENSOR.stringData) {
        const outer = r.enter();
        yield r;
        r.leave(outer);
      } else {
        yield r;
      }
    }
  }
}

/** Number of entries in the field, counted without decoding. */
export function countEntries(
  data: { readonly source: ByteSource; readonly ranges: readonly number[] },
  field: number,
  base: WireReader,
): number {
  let n = 0;
  for (const r of entries(data, field, base)) {
    if (field === TENSOR.stringData) {
      if (r.wire === BYTES) n++;
      r.skip();
    } else if (r.wire === BYTES) {
      const size = r.end - r.pos;
      if (field === TENSOR.floatData) n += size / 4;
      else if (field === TENSOR.doubleData) n += size / 8;
      else for (; r.pos < r.end; n++) r.int32();
    } else {
      r.skip();
      n++;
    }
  }
  return n;
}

function decodeTyped(
  dtype: number,
  byteLength: number,
  data: { readonly source: ByteSource; readonly ranges: readonly number[] },
): Uint8Array {
  const field = typedFieldOf(dtype)!;
  const out = new Uint8Array(byteLength);
  const view = new DataView(out.buffer);
  let at = 0;
  if (field === TENSOR.floatData || field === TENSOR.doubleData) {
    const width = field === TENSOR.floatData ? 4 : 8;
    for (const r of entries(data, field)) {
      const n = r.wire === BYTES ? r.end - r.pos : width;
      out.set(r.slice(r.pos, r.pos + n), at);
      at += n;
      r.pos += n;
    }
    return out;
  }
  const bits = Math.max(8, bitsOf(dtype)!);
  const put = (r: WireReader): void => {
    if (bits === 64) view.setBigInt64(at, r.int64(), true);
    else {
      const v = r.int32();
      if (bits === 8) out[at] = v;
      else if (bits === 16) view.setUint16(at, v & 0xffff, true);
      else view.setInt32(at, v, true);
    }
    at += bits / 8;
  };
  for (const r of entries(data, field)) {
    if (r.wire === BYTES) while (r.pos < r.end) put(r);
    else put(r);
  }
  return out;
}

function readStrings(data: { readonly source: ByteSource; readonly ranges: readonly number[] }): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (const r of entries(data, TENSOR.stringData)) {
    if (r.wire === BYTES) out.push(r.bytes());
    else r.skip();
  }
  return out;
}
