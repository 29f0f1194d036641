/**
 * The training batches of recovery: a new order in every epoch, with augmented views and patches of
 * images.
 */
import { DType } from '../../engine/ir/dtype.ts';
import type { HostTensor } from '../../engine/executor.ts';
import { seededRandom } from '../../engine/random.ts';
import { applyViews, drawView } from '../../engine/recovery/augment.ts';
import { mixPatches } from '../../engine/recovery/mix.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { Sample } from '../../data/input-spec.ts';

export interface BatchOptions {
  readonly dataset: Dataset;
  /** Training samples. */
  readonly train: readonly number[];
  readonly seed: number;
  /** Samples per batch. */
  readonly size: number;
  /** Whether images are shifted and mirrored. */
  readonly augment: boolean;
  /** Number of views per sample, which recur; default: new views in every epoch. */
  readonly views?: number;
}

/** Position within an epoch. Plain data. */
export interface Cursor {
  epoch: number;
  at: number;
}

export interface Batch {
  readonly indices: readonly number[];
  /** Tensors by input name. */
  readonly feeds: Sample;
  /** One key per sample: equal keys for equal images, when nothing is mixed. */
  readonly keys: readonly string[];
}

const AUGMENTATION = { shift: 0.125, mirror: true };
/** Share of the images that get a patch of another image. */
const MIXED = 0.5;

export class Batches {
  readonly #o: BatchOptions;
  #order: { readonly epoch: number; readonly indices: readonly number[] } | null = null;

  constructor(o: BatchOptions) {
    this.#o = o;
  }

  /** Number of epochs before a cursor. */
  epochs = ({ epoch, at }: Cursor): number => epoch + at / this.#o.train.length;

  /**
   * Returns the next batch and advances the cursor. @param mixed seed for patches of other images,
   * when some are to have one
   */
  async next(cursor: Cursor, mixed?: number): Promise<Batch> {
    const { dataset, train, seed, size, augment, views = Infinity } = this.#o;
    if (cursor.at + size > train.length)
      Object.assign(cursor, { epoch: cursor.epoch + (cursor.at > 0 ? 1 : 0), at: 0 });
    const order = this.#orderOf(cursor.epoch);
    const indices = Array.from({ length: size }, (_, i) => order[(cursor.at + i) % order.length]!);
    cursor.at += size;
    const view = cursor.epoch % views;
    const feeds = { ...(await dataset.batch(indices)) };
    // Images that belong together get the same views and patches.
    for (const name of augment ? dataset.pictures : []) {
      let x = feeds[name]!;
      x = applyViews(x, indices.map((i) => drawView(AUGMENTATION, seededRandom(seed + i * 10_007 + view)))); // prettier-ignore
      if (mixed !== undefined) x = mixPatches(x, MIXED, seededRandom(seed + 31 * mixed));
      feeds[name] = x;
    }
    return { indices, feeds, keys: indices.map((i) => `${i}/${view}`) };
  }

  /** The labels of a batch's samples. */
  labels(indices: readonly number[]): HostTensor {
    const { labels } = this.#o.dataset;
    return {
      dtype: DType.INT64,
      dims: [indices.length],
      data: BigInt64Array.from(indices, (i) => BigInt(labels![i]!)),
    };
  }

  #orderOf(epoch: number): readonly number[] {
    if (this.#order?.epoch !== epoch) {
      const indices = [...this.#o.train];
      seededRandom(this.#o.seed + 7919 * epoch).shuffle(indices);
      this.#order = { epoch, indices };
    }
    return this.#order.indices;
  }
}
