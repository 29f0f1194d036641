/**
 * Samples as a model takes them: opens any of the sources of sources.ts, preprocesses, and hands out batches.
 * Images are decoded when they are asked for, several at a time, and kept as bytes at their final size up to a limit.
 */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Figures } from '../../shared/model/figures.ts';
import type { Preprocess } from '../../shared/model/job.ts';
import type { HostTensor } from '../engine/executor.ts';
import { DType, dtypeName } from '../engine/ir/dtype.ts';
import { numberToHalf, type NumericArray } from '../engine/ir/tensor.ts';
import { requireFinite } from './finite.ts';
import { expectImages, imageLayout, type Expected } from './expect.ts';
import { identityOf } from './identity.ts';
import { mapLimit } from './map-limit.ts';
import { writeImage, type ImageView } from './normalise.ts';
import { decodeImage, fit, probeImage, sizeOfImage, type Geometry, type Pixels } from './pixels.ts';
import { sampleIndices } from './split.ts';
import { openSource } from './sources.ts';
import type { ArraySource } from './npy.ts';

export interface DatasetOptions {
  /** Folder of images, CSV of path,label, .npy, .npz, or one image. */
  readonly data: string;
  /** Separate file of labels: .npy, .csv or .txt. */
  readonly labels?: string | undefined;
  /** null or absent: deduced from the model's input, and said in the notes. An empty object is a statement: raw 0..255. */
  readonly preprocess?: Preprocess | null | undefined;
  /** Shape of the model's input, e.g. [1, 3, 32, 32]; sizes below 1 are unknown. The first axis is the batch. */
  readonly inputShape: readonly number[];
  /** The same with a likely size for each unknown one: images of different sizes are brought to it. */
  readonly likelyShape?: readonly number[] | undefined;
  /** DType number of the model's input; default FLOAT. */
  readonly inputDtype?: number | undefined;
  /** Names in the order of the class numbers, for labels that are names. */
  readonly classes?: readonly string[] | null | undefined;
  /** Uses at most so many samples, drawn with the seed and balanced over the classes. */
  readonly limit?: number | undefined;
  readonly seed?: number | undefined;
  /** Bytes of decoded images kept in memory; default 1 GiB. */
  readonly cacheBytes?: number | undefined;
  /** What was found out about folders before: images that were all seen to decode are not decoded again only to see that. */
  readonly seen?: Figures | undefined;
}

/** Every image decodes, and has the right size after preprocessing, or is adapted. */
const FITS = 1;
const ADAPTED = 2;

export interface Dataset {
  readonly length: number;
  readonly labels: Int32Array | null;
  readonly classNames: readonly string[] | null;
  /** The preprocessing in force, with everything that was deduced; null where arrays pass through as they are. */
  readonly preprocess: Preprocess | null;
  /** What a user should know: skipped files, deduced preprocessing, adapted sizes. May grow while batches are read. */
  readonly notes: readonly string[];
  /** Hash of everything that samples and labels depend on; see identity.ts. */
  readonly identity: string;
  /** File names (or 'row 17'), for messages. */
  name(index: number): string;
  /** Samples in the order asked for, first axis = indices.length, of the model's input type. */
  batch(indices: readonly number[]): Promise<HostTensor>;
  close(): Promise<void>;
}

const CACHE_BYTES = 2 ** 30;
/** Up to so many images are decoded when the folder is opened, so that damaged ones are known before any work. */
const VERIFY_BY_DECODING = 2000;

function convert(data: Float32Array | Uint8Array, dims: readonly number[], dtype: number): HostTensor {
  if (dtype === DType.FLOAT && data instanceof Float32Array) return { dtype, dims, data };
  if (dtype === DType.UINT8 && data instanceof Uint8Array) return { dtype, dims, data };
  return { dtype, dims, data: castTo(data, dtype) };
}

function castTo(data: ArrayLike<number | bigint>, dtype: number): NumericArray {
  const numbers = data as ArrayLike<number>;
  switch (dtype) {
    case DType.FLOAT:
      return Float32Array.from(numbers, Number);
    case DType.DOUBLE:
      return Float64Array.from(numbers, Number);
    case DType.FLOAT16:
      return Uint16Array.from(numbers, (x) => numberToHalf(Number(x)));
    case DType.UINT8:
      return Uint8Array.from(numbers, Number);
    case DType.INT8:
      return Int8Array.from(numbers, Number);
    case DType.INT32:
      return Int32Array.from(numbers, Number);
    case DType.INT64:
      return BigInt64Array.from(numbers as ArrayLike<number | bigint>, (x) => BigInt(x));
    default:
      throw new SecateurError('data-shape', { reason: `inputs of type ${dtypeName(dtype)} cannot be made from data` });
  }
}

const viewOf = (p: Pixels): ImageView => ({
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

/** Fills one tensor from views that all have the same size. */
function assemble(views: readonly ImageView[], e: Expected, dtype: number): HostTensor {
  const { height, width } = views[0]!;
  if (views.some((v) => v.height !== height || v.width !== width))
    throw new SecateurError('data-shape', {
      reason: 'the images of a batch have different sizes; set resize or crop in a preprocessing file',
    });
  const dims =
    e.layout === 'NCHW' ? [views.length, e.channels, height, width] : [views.length, height, width, e.channels];
  const each = e.channels * height * width;
  const out =
    e.preprocess.dtype === 'uint8' ? new Uint8Array(views.length * each) : new Float32Array(views.length * each);
  views.forEach((v, k) => writeImage(v, e.preprocess, e.channels, out, k * each));
  return convert(out, e.flatten ? [views.length, each] : dims, dtype);
}

/** Of files as they are now, and of what is made of them. */
async function fingerprint(files: readonly string[], geometry: Geometry): Promise<string> {
  const stats = await mapLimit(files.length, 16, (i) => stat(files[i]!));
  const hash = createHash('sha256').update(JSON.stringify(geometry));
  stats.forEach((s, i) => hash.update(`${files[i]} ${s.size} ${s.mtimeMs}\n`));
  return hash.digest('hex');
}

function openFiles(files: readonly string[], e: Expected, dtype: number, cacheBytes: number, notes: string[]) {
  const geometry: Geometry = { ...e.preprocess, target: e.target },
    cache = new Map<number, Pixels>();
  let room = cacheBytes,
    adapted = false;
  const tellAdapted = (): void => {
    if (adapted) return;
    adapted = true;
    const { width, height } = e.target!;
    notes.push(
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
    /** Why an image cannot be used; null for those that can. */
    verify: async (seen: Figures | undefined): Promise<(string | null)[]> => {
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
    batch: async (indices: readonly number[]): Promise<HostTensor> => {
      const pixels = await mapLimit(indices.length, lanes, (k) => get(indices[k]!));
      return assemble(pixels.map(viewOf), e, dtype);
    },
  };
}

/**
 * Of image files. Where neither the model nor the preprocessing gives a size, images of one size stay as they are.
 */
async function expectFiles(
  files: readonly string[],
  dtype: number,
  o: DatasetOptions,
  notes: string[],
): Promise<Expected> {
  const e = expectImages(o.inputShape, dtype, o.preprocess, 3, notes);
  if (e.target !== null || e.flatten || o.preprocess?.resize || o.preprocess?.crop || !o.likelyShape) return e;
  const sizes = await mapLimit(files.length, 8, (i) => sizeOfImage(files[i]!));
  const distinct = new Set(sizes.filter((s) => s !== null).map((s) => `${s.width} x ${s.height}`));
  if (distinct.size <= 1) return e;
  const likely = expectImages(o.likelyShape, dtype, o.preprocess, 3, []);
  if (likely.target)
    notes.push(
      `The model takes images of any size and the data have ${distinct.size} sizes: all are scaled and cropped to ${likely.target.width} x ${likely.target.height}. Give the size with --dim, or resize or crop in a preprocessing file.`,
    );
  return { ...e, target: likely.target };
}

/** Batches of an array: as images where the model takes images, else as they are. */
function openArray(array: ArraySource, options: DatasetOptions, notes: string[]) {
  const dtype = options.inputDtype ?? DType.FLOAT,
    sample = array.shape.slice(1),
    layout = imageLayout(sample, options.inputShape);
  const bytes = array.dtype === DType.UINT8;
  if (array.dtype === DType.FLOAT16)
    throw new SecateurError('data-shape', { reason: 'float16 data is not read; save it as float32' });
  if (!layout || (!bytes && !options.preprocess && sameShape(sample, options.inputShape.slice(1)))) {
    if (options.preprocess && !layout) notes.push('The preprocessing is not applied: the data are not images.');
    if (!sameShape(sample, options.inputShape.slice(1)))
      throw new SecateurError('data-shape', {
        reason: `a sample has the shape (${sample.join(', ')}), the model takes (${options.inputShape.slice(1).join(', ')})`,
      });
    const batch = async (indices: readonly number[]): Promise<HostTensor> => {
      const data = await array.rows(indices);
      return { dtype, dims: [indices.length, ...sample], data: array.dtype === dtype ? data : castTo(data, dtype) };
    };
    return { preprocess: null, batch };
  }
  const { height, width, channels, strideY, strideX, strideC } = layout,
    plain = bytes ? options.preprocess : (options.preprocess ?? {}); // float images without instructions keep their values
  const e = expectImages(options.inputShape, dtype, plain, channels, notes),
    geometry: Geometry = { ...e.preprocess, target: e.target };
  const resizes =
    e.preprocess.resize !== undefined ||
    e.preprocess.crop !== undefined ||
    (e.target !== null && (e.target.width !== width || e.target.height !== height));
  if (resizes && !bytes)
    throw new SecateurError('data-shape', {
      reason: `images of ${width} x ${height} in ${dtypeName(array.dtype)} cannot be resized; give uint8 or the final size`,
    });
  if (resizes && !e.preprocess.resize && !e.preprocess.crop)
    notes.push(`Images are scaled and cropped to the model's size: they have ${width} x ${height}.`);
  const each = sample.reduce((a, b) => a * b, 1);
  const batch = async (indices: readonly number[]): Promise<HostTensor> => {
    const raw = await array.rows(indices);
    const data = (
      raw instanceof BigInt64Array || raw instanceof BigUint64Array ? Float64Array.from(raw, Number) : raw
    ) as ArrayLike<number>;
    const views = indices.map((_, k): ImageView => ({
      data,
      offset: k * each,
      height,
      width,
      channels,
      strideY,
      strideX,
      strideC,
      bytes,
    }));
    if (!resizes) return assemble(views, e, dtype);
    const pixels = await mapLimit(views.length, 4, async (k) => (await fit(interleave(views[k]!), geometry)).pixels);
    return assemble(pixels.map(viewOf), e, dtype);
  };
  return { preprocess: e.preprocess, batch };
}

function interleave(v: ImageView): Pixels {
  const data = new Uint8Array(v.height * v.width * v.channels);
  let to = 0;
  for (let y = 0; y < v.height; y++)
    for (let x = 0; x < v.width; x++)
      for (let c = 0; c < v.channels; c++)
        data[to++] = v.data[v.offset + y * v.strideY + x * v.strideX + c * v.strideC]!;
  return { data, width: v.width, height: v.height, channels: v.channels };
}

const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((d, i) => d === b[i] || !(b[i]! >= 1));

/**
 * Opens data for a model's input.
 * @throws 'file-not-found', 'data-empty', 'data-invalid', 'data-labels', 'data-shape', 'data-not-finite', 'lfs-pointer',
 *   'preprocess-invalid'
 */
export async function openDataset(options: DatasetOptions): Promise<Dataset> {
  const source = await openSource(options.data, options.labels, options.classes),
    notes = [...source.notes],
    total = source.kind === 'files' ? source.files.length : source.array.shape[0]!;
  let used = sampleIndices(total, options.limit ?? total, { seed: options.seed ?? 0, labels: source.labels?.labels });
  if (used.length < total) notes.push(`${used.length} of ${total} samples are used.`);
  try {
    let opened: { preprocess: Preprocess | null; batch: (indices: readonly number[]) => Promise<HostTensor> };
    if (source.kind === 'array') opened = openArray(source.array, options, notes);
    else {
      const dtype = options.inputDtype ?? DType.FLOAT,
        files = used.map((i) => source.files[i]!),
        e = await expectFiles(files, dtype, options, notes);
      const images = openFiles(files, e, dtype, options.cacheBytes ?? CACHE_BYTES, notes),
        broken = await images.verify(options.seen),
        good = broken.flatMap((reason, i) => (reason === null ? [i] : []));
      if (good.length < files.length) {
        const bad = broken.flatMap((reason, i) => (reason === null ? [] : [`${source.names[used[i]!]} (${reason})`]));
        if (!good.length)
          throw new SecateurError('data-empty', { path: options.data, reason: `no image can be decoded: ${bad[0]}` });
        const listed = bad.slice(0, 5).join('; ') + (bad.length > 5 ? `; and ${bad.length - 5} more` : '');
        notes.push(`${bad.length} of ${files.length} images are skipped because they cannot be decoded: ${listed}.`);
      }
      opened = { preprocess: e.preprocess, batch: (indices) => images.batch(indices.map((i) => good[i]!)) };
      used = good.map((i) => used[i]!);
    }
    const rows = used,
      all = source.labels?.labels,
      labels = all ? Int32Array.from(rows, (i) => all[i]!) : null,
      classNames = source.labels?.classNames ?? null;
    const identity = await identityOf({
      files: source.kind === 'files' ? rows.map((i) => source.files[i]!) : [options.data],
      rows,
      labels,
      classNames,
      preprocess: opened.preprocess,
      inputShape: options.inputShape,
      inputDtype: options.inputDtype ?? DType.FLOAT,
    });
    if (source.kind === 'array' && options.seen?.get(`finite ${identity}`) === undefined) {
      const dtype = options.inputDtype ?? DType.FLOAT;
      await requireFinite(source.array, { path: options.data, rows, dtype });
      options.seen?.put(`finite ${identity}`, FITS);
    }
    return {
      length: rows.length,
      labels,
      classNames,
      preprocess: opened.preprocess,
      notes,
      identity,
      name: (i) => (source.kind === 'files' ? source.names[rows[i]!]! : `row ${rows[i]}`),
      batch: (indices) => {
        for (const i of indices)
          if (!(Number.isInteger(i) && i >= 0 && i < rows.length))
            throw new RangeError(`sample ${i} of a data set with ${rows.length}`);
        return opened.batch(source.kind === 'array' ? indices.map((i) => rows[i]!) : indices);
      },
      close: () => (source.kind === 'array' ? source.array.close() : Promise.resolve()),
    };
  } catch (e) {
    if (source.kind === 'array') await source.array.close();
    throw e;
  }
}
