/** Where bytes come from. The engine never opens files: who holds a file gives a ByteSource. */
export interface ByteSource {
  /** Bytes in all. */
  readonly size: number;
  /** `length` bytes from `offset`; callers stay within `size`. The result may be a view: do not write to it. */
  read(offset: number, length: number): Uint8Array;
  /** Fills `target` from `offset`; lets streaming copies reuse one buffer. */
  readInto?(offset: number, target: Uint8Array): void;
}

/** Gives the source of an external data file by the `location` a tensor names (relative, already checked lexically). */
export type DataResolver = (location: string) => ByteSource;

/** Bytes in memory; reads are views. */
export class MemorySource implements ByteSource {
  readonly data: Uint8Array;

  constructor(data: Uint8Array) {
    // Node's Buffer has a slice() that does not copy: views of it would break those who rely on the standard one.
    this.data = data.constructor === Uint8Array ? data : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }

  get size(): number {
    return this.data.length;
  }
  read(offset: number, length: number): Uint8Array {
    return this.data.subarray(offset, offset + length);
  }
}
