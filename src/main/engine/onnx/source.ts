/** A source of bytes. The engine never opens files; the owner of a file provides a ByteSource. */
export interface ByteSource {
  /** Total bytes. */
  readonly size: number;
  /** `length` bytes from `offset`. Callers stay within `size`. The result can be a view, so do not write to it. */
  read(offset: number, length: number): Uint8Array;
  /** Fills `target` from `offset`, so that streaming copies can reuse one buffer. */
  readInto?(offset: number, target: Uint8Array): void;
}

/** Returns the source of an external data file for a tensor's `location` (relative, already checked lexically). */
export type DataResolver = (location: string) => ByteSource;

/** Bytes in memory; reads are views. */
export class MemorySource implements ByteSource {
  readonly data: Uint8Array;

  constructor(data: Uint8Array) {
    // Node's Buffer has a slice() that does not copy; its views would break callers that rely on the standard one.
    this.data = data.constructor === Uint8Array ? data : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }

  get size(): number {
    return this.data.length;
  }
  read(offset: number, length: number): Uint8Array {
    return this.data.subarray(offset, offset + length);
  }
}
