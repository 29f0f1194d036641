/** A decoder that goes through one sequence: its caches, its positions, and its logits. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { ExecSession, HostTensor } from '../../engine/executor.ts';
import type { ComponentShape, PackageShape } from '../../engine/families/contract.ts';
import { filled } from '../../engine/families/named-inputs.ts';
import { type CachePort, cachesOf, presentOf } from '../../engine/generation/caches.ts';
import { DType } from '../../engine/ir/dtype.ts';
import { halfToNumber } from '../../engine/ir/tensor.ts';
import { joinTokens } from './rows.ts';
import { type Feeder, feederFor, type Step } from './feeds.ts';

export interface OpenDecoder {
  readonly component: ComponentShape;
  readonly session: ExecSession;
}

export type Fresh = Pick<Step, 'ids' | 'embeds' | 'isImage' | 'all'>;

interface Half extends OpenDecoder {
  readonly feeders: ReadonlyMap<string, Feeder>;
  readonly caches: readonly CachePort[];
}

/** One sequence. Batches and beams are not run. */
export class Sequence {
  readonly #first: Half;
  readonly #next: Half;
  readonly #cached: boolean;
  readonly #past = new Map<string, HostTensor>();
  #seen = 0;
  /** All tokens so far, for a decoder without a cache. */
  #whole: Fresh | null = null;

  /**
   * @param decoder of the first run, and of all where `next` is null
   * @param context outputs of the encoder by the names of the decoder's inputs
   * @throws 'run-input' and 'run-package' for ports that nothing is known for
   */
  constructor(
    pkg: PackageShape,
    decoder: OpenDecoder,
    next: OpenDecoder | null,
    context: Readonly<Record<string, HostTensor>>,
  ) {
    const half = (open: OpenDecoder): Half => {
      const caches = cachesOf(open.component, pkg);
      const past = new Set(caches.map((c) => c.past));
      const ports = open.component.inputs.filter((p) => !past.has(p.name));
      const feeders = new Map(ports.map((p) => [p.name, feederFor(open.component, p, context)]));
      return { ...open, caches, feeders };
    };
    this.#first = half(decoder);
    this.#next = next ? half(next) : this.#first;
    this.#cached = this.#next.caches.length > 0;
    if (next) refuseOrphans(decoder.component, this.#next);
    for (const { past, empty } of this.#first.caches) {
      const dtype = decoder.component.inputs.find((p) => p.name === past)?.dtype ?? DType.FLOAT;
      this.#past.set(
        past,
        filled(dtype, empty, () => 0),
      );
    }
  }

  /** Number of tokens read so far. */
  get length(): number {
    return this.#seen;
  }

  /** Reads tokens. Returns logits [1, n, vocabulary] of all new tokens, or of the last ones, the newest last. */
  async read(fresh: Fresh): Promise<HostTensor> {
    const half = this.#seen === 0 ? this.#first : this.#next;
    const whole = this.#cached ? fresh : joined(this.#whole, fresh);
    if (!this.#cached) this.#whole = whole;
    const step: Step = { ...whole, seen: this.#cached ? this.#seen : 0 };
    const feeds: Record<string, HostTensor> = {};
    for (const [name, feed] of half.feeders) feeds[name] = feed(step);
    for (const { past } of half.caches) feeds[past] = this.#past.get(past)!;
    const outputs = await half.session.run(feeds);
    this.#keep(outputs);
    this.#seen += fresh.ids.length;
    return outputs[half.component.outputs.find((p) => /^logits$/i.test(p.name))!.name]!;
  }

  /** Caches of the next run. Each keeps its own length. */
  #keep(outputs: Readonly<Record<string, HostTensor>>): void {
    const names = new Set(Object.keys(outputs));
    for (const { past, crossed } of this.#next.caches) {
      // Merged decoders return empty stand-ins for the caches of cross-attention after the first run.
      if (crossed && this.#seen > 0) continue;
      const present = presentOf(past, names);
      if (present !== null) this.#past.set(past, outputs[present]!);
    }
  }
}

/** @throws 'run-package' for a cache of the second decoder that the first one does not begin */
function refuseOrphans(first: ComponentShape, next: Half): void {
  const outputs = new Set(first.outputs.map((p) => p.name));
  const orphan = next.caches.find(({ past }) => presentOf(past, outputs) === null);
  if (orphan)
    throw new SecateurError('run-package', {
      reason: `${next.component.id} takes the cache ${orphan.past}, and ${first.id} does not return it`,
    });
}

const joined = (before: Fresh | null, fresh: Fresh): Fresh =>
  before === null
    ? fresh
    : {
        ids: [...before.ids, ...fresh.ids],
        embeds: before.embeds && fresh.embeds ? joinTokens(before.embeds, fresh.embeds) : null,
        isImage: [...before.isImage, ...fresh.isImage],
        all: fresh.all,
      };

/** The last `rows` rows of logits [1, n, vocabulary], as numbers. */
export function lastRows(logits: HostTensor, rows: number): Float32Array {
  const width = logits.dims.at(-1)!;
  const part = logits.data.subarray(logits.data.length - rows * width);
  if (logits.dtype === DType.FLOAT16) return Float32Array.from(part as Uint16Array, halfToNumber);
  return logits.dtype === DType.FLOAT ? (part as Float32Array) : Float32Array.from(part as Float64Array);
}
