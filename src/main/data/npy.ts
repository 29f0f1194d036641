/**
 * The .npy format (numpy.lib.format, versions 1 to 3): headers, encoding, and rows of a file or of bytes in memory.
 * Pickled objects, strings and records are refused: reading them needs Python, and pickles can run code.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { HostTensor } from '../engine/executor.ts';
import { DType } from '../engine/ir/dtype.ts';
import { isLfsPointer } from '../engine/lfs-pointer.ts';
import type { NumericArray } from '../engine/ir/tensor.ts';

export interface NpyHeader {
  readonly dtype: number;
  readonly itemSize: number;
  readonly bigEndian: boolean;
  readonly fortran: boolean;
  readonly shape: readonly number[];
  /** Byte offset of the data. */
  readonly offset: number;
}

/** Rows are slices along the first axis. */
export interface ArraySource {
  readonly dtype: number;
  readonly shape: readonly number[];
  /** Rows in the given order, little-endian, row-major. */
  rows(indices: readonly number[]): Promise<NumericArray>;
  close(): Promise<void>;
}

const CODES: Record<string, [dtype: number, size: number]> = {
  b1: [DType.BOOL, 1],
  u1: [DType.UINT8, 1],
  i1: [DType.INT8, 1],
  u2: [DType.UINT16, 2],
  i2: [DType.INT16, 2],
  f2: [DType.FLOAT16, 2],
  u4: [DType.UINT32, 4],
  i4: [DType.INT32, 4],
  f4: [DType.FLOAT, 4],
  u8: [DType.UINT64, 8],
  i8: [DType.INT64, 8],
  f8: [DType.DOUBLE, 8],
};
const MAX_HEADER = 1 << 16;
/** Files up to this size are read at once, larger ones row by row. */
const IN_MEMORY = 256 * 2 ** 20;
/** Column-major files must be transposed as a whole. */
const FORTRAN_LIMIT = 2 ** 31 - 1;

const invalid = (path: string, reason: string): SecateurError => new SecateurError('data-invalid', { path, reason });

/** Parses the header from the first bytes of a file (64 KiB are always enough). @internal */
export function parseNpyHeader(bytes: Uint8Array, path: string): NpyHeader {
  const text = (from: number, to: number): string => Buffer.from(bytes.subarray(from, to)).toString('latin1');
  if (bytes.length < 10 || text(0, 6) !== '\x93NUMPY') throw invalid(path, 'it is not a .npy file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const major = bytes[6]!;
  if (major < 1 || major > 3) throw invalid(path, `.npy version ${major} is not known`);
  if (major > 1 && bytes.length < 12) throw invalid(path, 'its header is incomplete');
  const start = major === 1 ? 10 : 12,
    offset = start + (major === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (offset > bytes.length || offset > MAX_HEADER) throw invalid(path, 'its header is incomplete');
  const header = text(start, offset);
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(header)?.[1],
    fortran = /'fortran_order'\s*:\s*(True|False)/.exec(header)?.[1],
    dims = /'shape'\s*:\s*\(([^)]*)\)/.exec(header)?.[1];
  if (descr === undefined) throw invalid(path, 'it holds records, and tensors hold numbers');
  if (fortran === undefined || dims === undefined) throw invalid(path, 'its header lacks fortran_order or shape');
  const code = CODES[descr.slice(1)];
  if (!code || !'<>|='.includes(descr[0]!))
    throw invalid(path, `element type ${JSON.stringify(descr)} is not a plain number`);
  const parts = dims.split(',').map((s) => s.trim());
  if (parts.at(-1) === '') parts.pop();
  const shape = parts.map((s) => (/^\d+$/.test(s) ? Number(s) : NaN));
  if (!shape.every(Number.isSafeInteger)) throw invalid(path, `its shape (${dims}) is not a list of sizes`);
  return { dtype: code[0], itemSize: code[1], bigEndian: descr[0] === '>', fortran: fortran === 'True', shape, offset };
}

/** An array as .npy version 1 bytes. bfloat16 and packed types have no .npy code and are refused. */
export function encodeNpy(t: HostTensor): Uint8Array {
  const code = Object.entries(CODES).find(([, c]) => c[0] === t.dtype)?.[0];
  if (!code) throw new SecateurError('internal', { reason: `element type ${t.dtype} cannot be written as .npy` });
  const descr = (code.endsWith('1') ? '|' : '<') + code;
  const dims = t.dims.length === 1 ? `${t.dims[0]},` : t.dims.join(', ');
  const body = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${dims}), }`;
  const padded = body.padEnd(Math.ceil((10 + body.length + 1) / 64) * 64 - 11) + '\n';
  const head = Buffer.alloc(10 + padded.length);
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(padded.length, 8);
  head.write(padded, 10, 'latin1');
  return Buffer.concat([head, new Uint8Array(t.data.buffer, t.data.byteOffset, t.data.byteLength)]);
}

/** Wraps aligned little-endian bytes. */
function wrapBytes(dtype: number, bytes: Uint8Array): NumericArray {
  const size = Object.values(CODES).find((c) => c[0] === dtype)![1];
  // Buffers become plain arrays: Buffer.slice() is a view and the Buffer constructor is deprecated.
  const b =
    bytes.byteOffset % size === 0
      ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      : new Uint8Array(bytes);
  const at = [b.buffer as ArrayBuffer, b.byteOffset, b.byteLength / size] as const;
  switch (dtype) {
    case DType.INT8:
      return new Int8Array(...at);
    case DType.UINT16:
    case DType.FLOAT16:
      return new Uint16Array(...at);
    case DType.INT16:
      return new Int16Array(...at);
    case DType.UINT32:
      return new Uint32Array(...at);
    case DType.INT32:
      return new Int32Array(...at);
    case DType.FLOAT:
      return new Float32Array(...at);
    case DType.UINT64:
      return new BigUint64Array(...at);
    case DType.INT64:
      return new BigInt64Array(...at);
    case DType.DOUBLE:
      return new Float64Array(...at);
    default:
      return b;
  }
}

function toLittleEndian(h: NpyHeader, bytes: Uint8Array): Uint8Array {
  if (!h.bigEndian || h.itemSize === 1) return bytes;
  const b = Buffer.from(bytes);
  return h.itemSize === 2 ? b.swap16() : h.itemSize === 4 ? b.swap32() : b.swap64();
}

/** Column-major bytes to row-major bytes. */
function toRowMajor(h: NpyHeader, bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length),
    rank = h.shape.length,
    n = bytes.length / h.itemSize,
    index = new Array<number>(rank).fill(0),
    stride = h.shape.map((_, k) => h.shape.slice(0, k).reduce((a, b) => a * b, 1));
  let from = 0;
  for (let to = 0; to < n; to++) {
    for (let b = 0; b < h.itemSize; b++) out[to * h.itemSize + b] = bytes[from * h.itemSize + b]!;
    for (let k = rank - 1; k >= 0; k--) {
      from += stride[k]!;
      if (++index[k]! < h.shape[k]!) break;
      from -= stride[k]! * h.shape[k]!;
      index[k] = 0;
    }
  }
  return out;
}

function checkSize(h: NpyHeader, path: string, available: number): number {
  const want = h.shape.reduce((a, b) => a * b, 1) * h.itemSize;
  if (want !== available)
    throw invalid(path, `its shape (${h.shape.join(', ')}) needs ${want} bytes of data, and it has ${available}`);
  return want;
}

class MemoryArray implements ArraySource {
  readonly dtype: number;
  readonly shape: readonly number[];
  readonly #data: NumericArray;
  constructor(dtype: number, shape: readonly number[], data: NumericArray) {
    this.dtype = dtype;
    this.shape = shape;
    this.#data = data;
  }
  rows(indices: readonly number[]): Promise<NumericArray> {
    const row = this.shape.slice(1).reduce((a, b) => a * b, 1);
    const C = this.#data.constructor as new (n: number) => NumericArray;
    const out = new C(indices.length * row) as Float32Array;
    indices.forEach((i, k) => out.set(this.#data.subarray(i * row, (i + 1) * row) as Float32Array, k * row));
    return Promise.resolve(out);
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Rows of an array in memory. */
export const memoryArray = (dtype: number, shape: readonly number[], data: NumericArray): ArraySource =>
  new MemoryArray(dtype, shape, data);

/** An array from .npy bytes in memory. */
export function parseNpy(bytes: Uint8Array, path: string): ArraySource & { readonly data: NumericArray } {
  const h = parseNpyHeader(bytes, path);
  checkSize(h, path, bytes.length - h.offset);
  let data = toLittleEndian(h, bytes.subarray(h.offset));
  if (h.fortran && h.shape.length > 1) data = toRowMajor(h, data);
  const array = wrapBytes(h.dtype, data);
  return Object.assign(new MemoryArray(h.dtype, h.shape, array), { data: array });
}

class FileArray implements ArraySource {
  readonly dtype: number;
  readonly shape: readonly number[];
  readonly #file: FileHandle;
  readonly #header: NpyHeader;
  readonly #path: string;
  constructor(file: FileHandle, header: NpyHeader, path: string) {
    this.dtype = header.dtype;
    this.shape = header.shape;
    this.#file = file;
    this.#header = header;
    this.#path = path;
  }
  async rows(indices: readonly number[]): Promise<NumericArray> {
    const h = this.#header,
      row = h.shape.slice(1).reduce((a, b) => a * b, 1) * h.itemSize,
      out = new Uint8Array(indices.length * row);
    for (let k = 0; k < indices.length;) {
      let run = 1; // adjacent rows are read in one call
      while (k + run < indices.length && indices[k + run] === indices[k]! + run) run++;
      const to = out.subarray(k * row, (k + run) * row);
      for (let got = 0; got < to.length;) {
        const position = h.offset + indices[k]! * row + got;
        const { bytesRead } = await this.#file.read(to, got, to.length - got, position);
        if (bytesRead === 0) throw invalid(this.#path, 'it was truncated while it was read');
        got += bytesRead;
      }
      k += run;
    }
    return wrapBytes(h.dtype, toLittleEndian(h, out));
  }
  close(): Promise<void> {
    return this.#file.close();
  }
}

/** Opens a .npy file. Rows of a large file are read by offset, so memory use stays flat. */
export async function openNpy(path: string): Promise<ArraySource> {
  const file = await open(path).catch((e: NodeJS.ErrnoException) => {
    throw e.code === 'ENOENT'
      ? new SecateurError('file-not-found', { path })
      : new SecateurError('file-unreadable', { path, reason: e.message });
  });
  try {
    const size = (await file.stat()).size,
      head = new Uint8Array(Math.min(size, MAX_HEADER));
    await file.read(head, 0, head.length, 0);
    if (isLfsPointer(head)) throw new SecateurError('lfs-pointer', { path });
    const h = parseNpyHeader(head, path),
      bytes = checkSize(h, path, size - h.offset);
    const turn = h.fortran && h.shape.length > 1;
    if (turn && bytes > FORTRAN_LIMIT)
      throw invalid(path, 'it is larger than 2 GiB and column-major; save it with numpy.ascontiguousarray');
    if (!turn && bytes > IN_MEMORY) return new FileArray(file, h, path);
    const all = await file.readFile(); // continues from the start: the reads above were positional
    await file.close();
    return parseNpy(all, path);
  } catch (e) {
    await file.close().catch(() => undefined);
    throw e;
  }
}
