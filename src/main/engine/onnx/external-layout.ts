import type { Tensor } from '../ir/index.ts';
import { checkLocation } from './external.ts';

/** Position of a tensor's bytes in the data file. */
export interface Placement {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

export interface ExternalOptions {
  /** File name beside the model, with forward slashes. */
  readonly location: string;
  /** Initializers of at least this many bytes go to the data file. */
  readonly thresholdBytes: number;
  /** Offsets of large tensors are multiples of this, so that they can be memory-mapped. Default 4096. */
  readonly alignment?: number;
}

/** Smaller tensors are not aligned to a page. */
const LARGE = 1 << 20;
const SMALL_ALIGNMENT = 16;

/** Lays out the data file. A tensor that several initializers share is stored once. */
export class ExternalLayout {
  readonly options: ExternalOptions;
  readonly #placed = new Map<Tensor, Placement>();
  #size = 0;

  /** @throws 'external-data-outside' */
  constructor(options: ExternalOptions) {
    checkLocation('', options.location);
    this.options = options;
  }

  /** Size of the data file in bytes. */
  get size(): number {
    return this.#size;
  }

  /** The position of a tensor, or null when it stays in the model. */
  place(t: Tensor): Placement | null {
    if (t.strings || t.byteLength === 0 || t.byteLength < this.options.thresholdBytes) return null;
    const had = this.#placed.get(t);
    if (had) return had;
    const unit = t.byteLength >= LARGE ? (this.options.alignment ?? 4096) : SMALL_ALIGNMENT;
    const offset = Math.ceil(this.#size / unit) * unit;
    const p = { location: this.options.location, offset, length: t.byteLength };
    this.#placed.set(t, p);
    this.#size = offset + t.byteLength;
    return p;
  }

  /** The data file in pieces, tensor after tensor. Each piece is read on demand. */
  *chunks(): Iterable<Uint8Array> {
    let at = 0;
    for (const [t, p] of this.#placed) {
      if (p.offset > at) yield new Uint8Array(p.offset - at);
      yield* t.chunks();
      at = p.offset + p.length;
    }
  }
}
