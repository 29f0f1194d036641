/** Feeds one model input from an array: as images where the input takes images, unchanged otherwise. */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Preprocess } from '../../shared/model/job.ts';
import type { HostTensor } from '../engine/executor.ts';
import { DType, dtypeName, elementCount, isFloat } from '../engine/ir/dtype.ts';
import { castTo, readable } from './cast.ts';
import { expectImages, imageLayout, type ImageLayout } from './expect.ts';
import { assemble, viewOf } from './image-files.ts';
import { fitsShape, sampleShape, type InputSpec } from './input-spec.ts';
import { mapLimit } from './map-limit.ts';
import type { ImageView } from './normalise.ts';
import type { ArraySource } from './npy.ts';
import { fit, type Geometry, type Pixels } from './pixels.ts';

export interface ArrayInput {
  /** null where values pass through unchanged. */
  readonly preprocess: Preprocess | null;
  /** Whether the samples are pictures of 1 or 3 channels. */
  readonly pictures: boolean;
  batch(rows: readonly number[]): Promise<HostTensor>;
}

export interface ArrayOptions {
  readonly preprocess?: Preprocess | null | undefined;
  /** Whether the samples can be pictures. Masks, ids and states can have the same shape and are not. */
  readonly mayBePictures: boolean;
  readonly notes: string[];
}

/** @throws 'data-shape' where a sample does not fit the input's shape, 'preprocess-invalid' */
export function openArray(array: ArraySource, spec: InputSpec, o: ArrayOptions): ArrayInput {
  if (spec.shared) return openShared(array, spec);
  const sample = array.shape.slice(1);
  const layout = o.mayBePictures ? imageLayout(sample, spec.shape) : null;
  const bytes = array.dtype === DType.UINT8;
  if (layout && (bytes || o.preprocess || !fitsShape(sample, sampleShape(spec))))
    return openPictures(array, spec, layout, o);
  if (o.preprocess && !layout && o.mayBePictures)
    o.notes.push('The preprocessing is not applied: the data are not images.');
  const dims = valuesShape(sample, sampleShape(spec));
  const dtype = spec.dtype ?? DType.FLOAT;
  const batch = async (rows: readonly number[]): Promise<HostTensor> => ({
    dtype,
    dims: [rows.length, ...dims],
    data: castTo(await array.rows(rows), array.dtype, dtype),
  });
  return { preprocess: null, pictures: layout !== null, batch };
}

/** Shape of a sample as the input takes it. A single number may come with or without axes of size one. */
function valuesShape(sample: readonly number[], wanted: readonly number[]): readonly number[] {
  if (fitsShape(sample, wanted)) return sample;
  if (elementCount(sample) === 1 && wanted.every((d) => d === 1)) return wanted;
  throw new SecateurError('data-shape', {
    reason: `a sample has the shape (${sample.join(', ')}), the model takes (${wanted.map((d) => (d >= 1 ? d : '?')).join(', ')})`,
  });
}

/** One value for all samples: the array has the input's own shape. */
function openShared(array: ArraySource, spec: InputSpec): ArrayInput {
  if (!fitsShape(array.shape, spec.shape) && elementCount(array.shape) !== 1)
    throw new SecateurError('data-shape', {
      reason: `it has no batch axis, so one value of the shape (${spec.shape.join(', ')}) serves all samples, and the data have (${array.shape.join(', ')})`,
    });
  const dims = valuesShape(array.shape, spec.shape);
  const dtype = spec.dtype ?? DType.FLOAT;
  const all = Array.from({ length: array.shape[0] ?? 1 }, (_, i) => i);
  const batch = async (): Promise<HostTensor> => ({
    dtype,
    dims,
    data: castTo(await array.rows(all), array.dtype, dtype),
  });
  return { preprocess: null, pictures: false, batch };
}

function openPictures(array: ArraySource, spec: InputSpec, layout: ImageLayout, o: ArrayOptions): ArrayInput {
  const { height, width, channels, strideY, strideX, strideC } = layout;
  const dtype = spec.dtype ?? DType.FLOAT;
  const bytes = array.dtype === DType.UINT8;
  // Float images keep their values unless preprocessing is given.
  const plain = bytes ? o.preprocess : (o.preprocess ?? {});
  const e = expectImages(spec.shape, dtype, plain, channels, o.notes);
  const geometry: Geometry = { ...e.preprocess, target: e.target };
  const resizes =
    e.preprocess.resize !== undefined ||
    e.preprocess.crop !== undefined ||
    (e.target !== null && (e.target.width !== width || e.target.height !== height));
  if (resizes && !bytes)
    throw new SecateurError('data-shape', {
      reason: `images of ${width} x ${height} in ${dtypeName(array.dtype)} cannot be resized; give uint8 or the final size`,
    });
  if (resizes && !e.preprocess.resize && !e.preprocess.crop)
    o.notes.push(`Images are scaled and cropped to the model's size: they have ${width} x ${height}.`);
  const each = elementCount(array.shape.slice(1));
  const batch = async (rows: readonly number[]): Promise<HostTensor> => {
    const raw = readable(await array.rows(rows), array.dtype);
    const data = raw instanceof BigInt64Array || raw instanceof BigUint64Array ? Float64Array.from(raw, Number) : raw;
    const views = rows.map((_, k): ImageView => ({
      data: data as ArrayLike<number>,
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
  return { preprocess: e.preprocess, pictures: true, batch };
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

/** Whether one of several inputs can take pictures: floats or bytes, and not a mask. */
export const takesPictures = ({ name, dtype = DType.FLOAT, shape, shared }: InputSpec): boolean =>
  !shared &&
  (shape.length === 4 || shape.length === 2) &&
  (isFloat(dtype) || dtype === DType.UINT8 || dtype === DType.INT8) &&
  !/mask/i.test(name);
