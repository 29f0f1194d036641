/** Image files as batches of one input, decoded on demand and cached as bytes at their final size. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Figures } from '../../shared/model/figures.ts';
import type { Preprocess } from '../../shared/model/job.ts';
import { DType } from '../engine/ir/dtype.ts';
import type { HostTensor } from '../engine/executor.ts';
import { castTo } from './cast.ts';
import { expectImages, type Expected } from './expect.ts';
import type { InputSpec } from './input-spec.ts';
import { mapLimit } from './map-limit.ts';
import { writeImage, type ImageView } from './normalise.ts';
import { decodeImage, fit, probeImage, sizeOfImage, type Geometry, type Pixels } from './pixels.ts';

/**
 * Up to this many images are decoded when the folder is opened, so that damaged ones are found before any work starts.
 */
const VERIFY_BY_DECODING = 2000;
/** Every image decodes and has the right size after preprocessing, or is adapted. */
const FITS = 1;
const ADAPTED = 2;

export const viewOf = (p: Pixels): ImageView => ({
  data: p.data,
  offset: 0,
  height: p.height,
  width: p.width,
  channels: p.channels,
  strideY: p.width * p.channels,
  strideX: p.channels,
  strideC: 1,
  bytes: true,
});

/**
 * Fills one tensor from views of equal size.
 * @throws 'data-shape' where sizes differ
 */
export function assemble(views: readonly ImageView[], e: Expected, dtype: number): HostTensor {
  const { height, width } = views[0]!;
  if (views.some((v) => v.height !== height || v.width !== width))
    throw new SecateurError('data-shape', {
      reason: 'the images of a batch have different sizes; set resize or crop in a preprocessing file',
    });
  const dims =
    e.layout === 'NCHW' ? [views.length, e.channels, height, width] : [views.length, height, width, e.channels];
  const each = e.channels * height * width;
  const bytes = e.preprocess.dtype === 'uint8';
  const out = bytes ? new Uint8Array(views.length * each) : new Float32Array(views.length * each);
  views.forEach((v, k) => writeImage(v, e.preprocess, e.channels, out, k * each));
  const data = castTo(out, bytes ? DType.UINT8 : DType.FLOAT, dtype);
  return { dtype, dims: e.flatten ? [views.length, each] : dims, data };
}

/** Hash of the files' current state and of the geometry applied to them. */
async function fingerprint(files: readonly string[], geometry: Geometry): Promise<string> {
  const stats = await mapLimit(files.length, 16, (i) => stat(files[i]!));
  const hash = createHash('sha256').update(JSON.stringify(geometry));
  stats.forEach((s, i) => hash.update(`${files[i]} ${s.size} ${s.mtimeMs}\n`));
  return hash.digest('hex');
}

export interface ImageFiles {
  readonly preprocess: Preprocess;
  /** The reason why an image cannot be used; null for usable ones. */
  verify(seen: Figures | undefined): Promise<(string | null)[]>;
  batch(indices: readonly number[]): Promise<HostTensor>;
}

export interface ImageOptions {
  readonly preprocess?: Preprocess | null | undefined;
  /** Maximum bytes of decoded images in memory. */
  readonly cacheBytes: number;
  /** Notes for the user are appended here. */
  readonly notes: string[];
}

/** @throws 'data-shape' where the input does not take images, 'preprocess-invalid' */
export async function openImageFiles(files: readonly string[], spec: InputSpec, o: ImageOptions): Promise<ImageFiles> {
  const dtype = spec.dtype ?? DType.FLOAT;
  const e = await expectFiles(files, spec, o);
  const geometry: Geometry = { ...e.preprocess, target: e.target };
  const cache = new Map<number, Pixels>();
  let room = o.cacheBytes;
  let adapted = false;
  const tellAdapted = (): void => {
    if (adapted) return;
    adapted = true;
    const { width, height } = e.target!;
    o.notes.push(
      `Images are scaled and cropped to the model's ${width} x ${height}: the preprocessing does not give that size.`,
    );
  };
  const get = async (i: number): Promise<Pixels> => {
    const hit = cache.get(i);
    if (hit) return hit;
    const done = await fit(await decodeImage(files[i]!), geometry);
    if (done.adapted) tellAdapted();
    if (room >= done.pixels.data.length && !cache.has(i)) {
      room -= done.pixels.data.length;
      cache.set(i, done.pixels);
    }
    return done.pixels;
  };
  const lanes = Math.min(4, availableParallelism());
  const look = async (i: number): Promise<string | null> => {
    try {
      if (files.length <= VERIFY_BY_DECODING) await get(i);
      else await probeImage(files[i]!);
      return null;
    } catch (x) {
      if (x instanceof SecateurError && x.code === 'image-unreadable') return String(x.detail.reason);
      throw x;
    }
  };
  return {
    preprocess: e.preprocess,
    async verify(seen) {
      const key = seen && (await fingerprint(files, geometry));
      const known = key && seen.get(key);
      if (known) {
        if (known === ADAPTED) tellAdapted();
        return files.map(() => null);
      }
      const reasons = await mapLimit(files.length, lanes, look);
      if (key && reasons.every((r) => r === null)) seen.put(key, adapted ? ADAPTED : FITS);
      return reasons;
    },
    async batch(indices) {
      const pixels = await mapLimit(indices.length, lanes, (k) => get(indices[k]!));
      return assemble(pixels.map(viewOf), e, dtype);
    },
  };
}

/** Images of one size keep it where neither the model nor the preprocessing gives a size. */
async function expectFiles(files: readonly string[], spec: InputSpec, o: ImageOptions): Promise<Expected> {
  const dtype = spec.dtype ?? DType.FLOAT;
  const e = expectImages(spec.shape, dtype, o.preprocess, 3, o.notes);
  if (e.target !== null || e.flatten || o.preprocess?.resize || o.preprocess?.crop || !spec.likelyShape) return e;
  const sizes = await mapLimit(files.length, 8, (i) => sizeOfImage(files[i]!));
  const distinct = new Set(sizes.filter((s) => s !== null).map((s) => `${s.width} x ${s.height}`));
  if (distinct.size <= 1) return e;
  const likely = expectImages(spec.likelyShape, dtype, o.preprocess, 3, []);
  if (likely.target)
    o.notes.push(
      `The model takes images of any size and the data have ${distinct.size} sizes: all are scaled and cropped to ${likely.target.width} x ${likely.target.height}. Give the size with --dim, or resize or crop in a preprocessing file.`,
    );
  return { ...e, target: likely.target };
}
