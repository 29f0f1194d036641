import { SecateurError } from '../../../shared/contract/errors.ts';
import { MemorySource, type ByteSource } from './source.ts';

/** Protobuf wire types. Groups (3, 4) are not used by ONNX and are refused. */
export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;

const WINDOW = 256 * 1024;
/** Fields kept as encoded are copied into memory when the source is a file. Larger ones are refused. */
const MAX_COPY = 512 * 1024 * 1024;

interface Window {
  data: Uint8Array;
  start: number;
  end: number;
  /** End of the range that is read. */
  readonly limit: number;
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Reads protobuf fields from a source of any size, by offset. Large length-delimited fields are skipped, not read.
 * Every length is checked against the enclosing message before anything is allocated.
 * @throws 'model-truncated', 'model-not-protobuf', 'model-invalid'
 */
export class WireReader {
  readonly source: ByteSource;
  readonly path: string | undefined;
  pos: number;
  end: number;
  /** Number of the field under the cursor, after `next()`. */
  field = 0;
  wire = 0;
  fieldStart = 0;
  /** Shared by readers derived from one another, so that entering and leaving messages reads a file only once. */
  #window: Window;
  #lo = 0;
  #hi = 0;

  constructor(source: ByteSource, path?: string, start = 0, end = source.size) {
    this.source = source;
    this.path = path;
    this.pos = start;
    this.end = end;
    const data = source instanceof MemorySource ? source.data : new Uint8Array(0);
    this.#window = { data, start: 0, end: data.length, limit: end };
  }

  /** Moves to the next field of the message; false at its end. Read or skip the field before the next call. */
  next(): boolean {
    if (this.pos >= this.end) return false;
    this.fieldStart = this.pos;
    this.#varint();
    if (this.#hi !== 0) this.bad('a field number is out of range');
    this.field = this.#lo >>> 3;
    this.wire = this.#lo & 7;
    if (this.field === 0 || !(this.wire <= BYTES || this.wire === FIXED32))
      this.bad(`no field starts at byte ${this.fieldStart}`);
    return true;
  }

  /** Whether the field under the cursor has this number and wire type. */
  is(field: number, wire: number): boolean {
    return this.field === field && this.wire === wire;
  }

  /** An unsigned number below 2^53. */
  uint(): number {
    this.#varint();
    if (this.#hi > 0x1fffff) this.invalid(`the number at byte ${this.pos} is out of range`);
    return this.#hi * 0x1_0000_0000 + this.#lo;
  }
  int64(): bigint {
    this.#varint();
    return BigInt.asIntN(64, (BigInt(this.#hi) << 32n) | BigInt(this.#lo));
  }
  /** An int64 as a number: exact within 2^53, otherwise rounded. */
  int64AsNumber(): number {
    this.#varint();
    return (this.#hi | 0) * 0x1_0000_0000 + this.#lo;
  }
  int32(): number {
    this.#varint();
    return this.#lo | 0;
  }
  float(): number {
    const at = this.#need(4);
    const { data } = this.#window;
    return new DataView(data.buffer, data.byteOffset + at, 4).getFloat32(0, true);
  }

  /** The bytes of a length-delimited field: a view of memory, a copy of a file. */
  bytes(): Uint8Array {
    const n = this.length();
    const at = this.pos;
    this.pos += n;
    return this.slice(at, at + n);
  }
  /** A name, which must be valid UTF-8. */
  string(): string {
    const b = this.bytes();
    try {
      return strict.decode(b);
    } catch {
      return this.invalid(`a name at byte ${this.pos - b.length} is not UTF-8`);
    }
  }
  /** Display text. Invalid UTF-8 is replaced. */
  text(): string {
    return lenient.decode(this.bytes());
  }

  /** The checked length of a length-delimited field; the cursor stands at its first byte. */
  length(): number {
    const n = this.uint();
    if (n > this.end - this.pos) this.overrun(n);
    return n;
  }
  /** Enters a length-delimited field as a message. Pass the result to `leave`. */
  enter(): number {
    const n = this.length();
    const outer = this.end;
    this.end = this.pos + n;
    return outer;
  }
  leave(outer: number): void {
    this.pos = this.end;
    this.end = outer;
  }

  skip(): void {
    if (this.wire === VARINT) this.#varint();
    else if (this.wire === BYTES) {
      const n = this.length();
      this.pos += n;
    } else {
      const n = this.wire === FIXED64 ? 8 : 4;
      if (n > this.end - this.pos) this.overrun(n);
      this.pos += n;
    }
  }

  /** Any range of the source, without moving the cursor. */
  slice(start: number, end: number): Uint8Array {
    if (this.source instanceof MemorySource) return this.source.data.subarray(start, end);
    const w = this.#window;
    if (start >= w.start && end <= w.end) return w.data.slice(start - w.start, end - w.start);
    if (end - start > MAX_COPY)
      throw new SecateurError('model-too-large', { reason: `a field at byte ${start} has ${end - start} bytes` });
    return this.source.read(start, end - start);
  }

  /** A separate reader over a part of the same source. */
  at(start: number, end: number): WireReader {
    const r = new WireReader(this.source, this.path, start, end);
    r.#window = this.#window;
    return r;
  }

  overrun(n: number): never {
    if (this.pos + n > this.source.size)
      throw new SecateurError('model-truncated', {
        path: this.path,
        reason: `${n} bytes are declared at byte ${this.pos}, and the file has ${this.source.size}`,
      });
    return this.invalid(`a length at byte ${this.pos} exceeds its message`);
  }
  bad(reason: string): never {
    throw new SecateurError('model-not-protobuf', { path: this.path, reason });
  }
  invalid(reason: string): never {
    throw new SecateurError('model-invalid', { path: this.path, reason });
  }

  /** Reads 64 bits into two unsigned words, because bigint arithmetic per byte would be slow. */
  #varint(): void {
    let lo = 0,
      hi = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const b = this.#byte();
      if (shift < 28) lo |= (b & 127) << shift;
      else if (shift === 28) {
        lo |= (b & 127) << 28;
        hi = (b & 127) >> 4;
      } else if (shift < 63) hi |= (b & 127) << (shift - 32);
      else hi |= (b & 1) << 31;
      if (b < 128) {
        this.#lo = lo >>> 0;
        this.#hi = hi >>> 0;
        return;
      }
    }
    this.bad(`the number at byte ${this.pos} is longer than ten bytes`);
  }

  #byte(): number {
    if (this.pos >= this.end) this.overrun(1);
    const w = this.#window;
    if (this.pos < w.start || this.pos >= w.end) this.#fill();
    return w.data[this.pos++ - w.start]!;
  }

  /** Makes the next `n` (few) bytes addressable, advances past them and returns their index in the window. */
  #need(n: number): number {
    if (n > this.end - this.pos) this.overrun(n);
    const w = this.#window;
    if (this.pos < w.start || this.pos + n > w.end) this.#fill();
    const at = this.pos - w.start;
    this.pos += n;
    return at;
  }

  #fill(): void {
    const w = this.#window;
    const n = Math.min(WINDOW, w.limit - this.pos);
    w.data = this.source.read(this.pos, n);
    w.start = this.pos;
    w.end = this.pos + w.data.length;
    if (w.data.length < n) this.overrun(n);
  }
}

/** Ranges of encoded fields to keep. Contiguous ones are merged, so the cost is linear. */
export class Spans {
  readonly ranges: number[] = [];

  /** Keeps the field under the cursor and skips it. */
  keep(r: WireReader): void {
    r.skip();
    this.add(r.fieldStart, r.pos);
  }
  add(start: number, end: number): void {
    const n = this.ranges.length;
    if (n && this.ranges[n - 1] === start) this.ranges[n - 1] = end;
    else this.ranges.push(start, end);
  }
  get isEmpty(): boolean {
    return this.ranges.length === 0;
  }
  get byteLength(): number {
    let n = 0;
    for (let i = 0; i < this.ranges.length; i += 2) n += this.ranges[i + 1]! - this.ranges[i]!;
    return n;
  }
  take(r: WireReader): Uint8Array | null {
    if (this.isEmpty) return null;
    if (this.ranges.length === 2) return r.slice(this.ranges[0]!, this.ranges[1]!);
    const total = this.byteLength;
    if (total > MAX_COPY) throw new SecateurError('model-too-large', { reason: `unknown fields of ${total} bytes` });
    const out = new Uint8Array(total);
    let at = 0;
    for (let i = 0; i < this.ranges.length; i += 2) {
      out.set(r.slice(this.ranges[i]!, this.ranges[i + 1]!), at);
      at += this.ranges[i + 1]! - this.ranges[i]!;
    }
    return out;
  }
}
