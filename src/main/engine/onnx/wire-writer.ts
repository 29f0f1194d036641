import { BYTES, FIXED32, VARINT } from './wire-reader.ts';

/** Data added to the output by reference, so that large tensors are not copied while the structure is built. */
export interface DataPart {
  readonly byteLength: number;
  chunks(): Iterable<Uint8Array>;
}

const utf8 = new TextEncoder();
/** Below this size, a copy is cheaper than a separate part. */
const INLINE = 4096;

/** Builds protobuf messages: small parts in a growing buffer, large data by reference. */
export class WireWriter {
  #buffer = new Uint8Array(128);
  #used = 0;
  /** Completed pieces before the buffer. */
  #parts: (Uint8Array | DataPart)[] = [];
  #partBytes = 0;

  /** Bytes written so far. */
  get size(): number {
    return this.#partBytes + this.#used;
  }

  varintField(field: number, value: number | bigint): void {
    this.#tag(field, VARINT);
    this.varint(value);
  }
  floatField(field: number, value: number): void {
    this.#tag(field, FIXED32);
    this.float(value);
  }
  bytesField(field: number, value: Uint8Array): void {
    this.#tag(field, BYTES);
    this.varint(value.length);
    this.raw(value);
  }
  stringField(field: number, value: string): void {
    this.bytesField(field, utf8.encode(value));
  }
  /** A string that is omitted when empty, as in proto3. */
  optionalString(field: number, value: string): void {
    if (value) this.stringField(field, value);
  }
  messageField(field: number, fill: (w: WireWriter) => void): void {
    const inner = new WireWriter();
    fill(inner);
    this.#tag(field, BYTES);
    this.varint(inner.size);
    this.#append(inner);
  }
  dataField(field: number, data: DataPart): void {
    this.#tag(field, BYTES);
    this.varint(data.byteLength);
    this.data(data);
  }

  varint(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0 && value <= 0xffffffff) {
      this.#reserve(5);
      let v = value;
      while (v > 127) {
        this.#buffer[this.#used++] = (v & 127) | 128;
        v >>>= 7;
      }
      this.#buffer[this.#used++] = v;
      return;
    }
    this.#reserve(10);
    let v = BigInt.asUintN(64, BigInt(value));
    while (v > 127n) {
      this.#buffer[this.#used++] = Number(v & 127n) | 128;
      v >>= 7n;
    }
    this.#buffer[this.#used++] = Number(v);
  }
  float(value: number): void {
    this.#reserve(4);
    new DataView(this.#buffer.buffer).setFloat32(this.#used, value, true);
    this.#used += 4;
  }
  /** Bytes that are already encoded. */
  raw(value: Uint8Array): void {
    if (value.length > INLINE) {
      this.#part(value);
      return;
    }
    this.#reserve(value.length);
    this.#buffer.set(value, this.#used);
    this.#used += value.length;
  }
  data(data: DataPart): void {
    if (data.byteLength > INLINE) this.#part(data);
    else for (const c of data.chunks()) this.raw(c);
  }

  /** Everything written, in pieces. */
  *chunks(): Iterable<Uint8Array> {
    for (const p of this.#parts) {
      if (p instanceof Uint8Array) yield p;
      else yield* p.chunks();
    }
    if (this.#used) yield this.#buffer.subarray(0, this.#used);
  }

  #tag(field: number, wire: number): void {
    this.varint(((field << 3) | wire) >>> 0);
  }
  #reserve(n: number): void {
    if (this.#used + n <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(this.#buffer.length * 2, this.#used + n));
    grown.set(this.#buffer.subarray(0, this.#used));
    this.#buffer = grown;
  }
  #part(p: Uint8Array | DataPart): void {
    if (this.#used) {
      this.#parts.push(this.#buffer.slice(0, this.#used));
      this.#partBytes += this.#used;
      this.#used = 0;
    }
    this.#parts.push(p);
    this.#partBytes += p.byteLength;
  }
  #append(inner: WireWriter): void {
    for (const p of inner.#parts) {
      if (p instanceof Uint8Array) this.raw(p);
      else this.#part(p);
    }
    this.raw(inner.#buffer.subarray(0, inner.#used));
  }
}
