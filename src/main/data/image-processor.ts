/**
 * Prepares a picture for an encoder, with the pixels of PIL and the arithmetic of transformers' processors: sizes from
 * engine/images/plan.ts, then (pixel * rescale - mean) / std in single precision.
 */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { HostTensor } from '../engine/executor.ts';
import type { PortShape } from '../engine/families/contract.ts';
import type { ImageGrid } from '../engine/images/grid.ts';
import { planImage } from '../engine/images/plan.ts';
import type { ImageRecipe } from '../engine/images/recipe.ts';
import { type Bitmap, resample } from '../engine/images/resample.ts';
import { DType, dtypeName } from '../engine/ir/dtype.ts';
import { numberToHalf } from '../engine/ir/tensor.ts';
import { fixedSize } from './image-recipe.ts';
import { centerCrop, decodeImage } from './pixels.ts';

export interface ProcessedImage {
  /** Pixels by the name of the encoder's input. */
  readonly tensors: Readonly<Record<string, HostTensor>>;
  readonly grid: ImageGrid;
}

/** @throws 'image-unreadable', 'lfs-pointer', 'run-image' for a size that the encoder does not take */
export async function processImage(file: string, recipe: ImageRecipe, port: PortShape): Promise<ProcessedImage> {
  return processPixels(await decodeImage(file, true), recipe, port);
}

/** @param given RGB or grey pixels */
function processPixels(given: Bitmap, recipe: ImageRecipe, port: PortShape): ProcessedImage {
  const plan = planImage(recipe, given.width, given.height);
  let whole = recipe.channels === 1 ? grey(given) : rgb(given);
  for (const size of plan.resizes) whole = resample(whole, size, recipe.filter);
  if (plan.crop) whole = centerCrop(whole, plan.crop.width, plan.crop.height);
  const images = [
    ...plan.tiles.map((box) => cut(whole, box)),
    plan.overview ? resample(whole, plan.overview, recipe.filter) : whole,
  ];
  const fixed = fixedSize(port);
  const { width, height } = plan.size;
  if (fixed && (fixed.width !== width || fixed.height !== height))
    throw new SecateurError('run-image', {
      reason: `the processor makes ${width} x ${height} pixels of it, and the encoder takes ${fixed.width} x ${fixed.height}`,
    });
  const pixels = tensorOf(images, recipe, port);
  const { rows, columns } = plan;
  return {
    tensors: { [port.name]: pixels },
    grid: { rows, columns, images: images.length, tiled: recipe.tiles !== null },
  };
}

const rgb = (p: Bitmap): Bitmap => {
  if (p.channels === 3) return p;
  const data = new Uint8Array(p.width * p.height * 3);
  for (let i = 0; i < data.length; i++) data[i] = p.data[Math.floor(i / 3) * p.channels]!;
  return { ...p, data, channels: 3 };
};

/** Luma in 16 fractional bits, as PIL converts to its mode L (ITU-R 601-2). */
const grey = (p: Bitmap): Bitmap => {
  if (p.channels === 1) return p;
  const data = new Uint8Array(p.width * p.height);
  for (let i = 0, at = 0; i < data.length; i++, at += p.channels)
    data[i] = (p.data[at]! * 19595 + p.data[at + 1]! * 38470 + p.data[at + 2]! * 7471 + 0x8000) >> 16;
  return { ...p, data, channels: 1 };
};

function cut(p: Bitmap, { x, y, width, height }: { x: number; y: number; width: number; height: number }): Bitmap {
  const data = new Uint8Array(width * height * p.channels);
  const row = width * p.channels;
  for (let i = 0; i < height; i++) {
    const from = ((y + i) * p.width + x) * p.channels;
    data.set(p.data.subarray(from, from + row), i * row);
  }
  return { data, width, height, channels: p.channels };
}

/** [1, channels, height, width], or [1, images, channels, height, width] for encoders of tiles. */
function tensorOf(images: readonly Bitmap[], recipe: ImageRecipe, port: PortShape): HostTensor {
  const { width, height, channels } = images[0]!;
  const plane = width * height;
  const data = new Float32Array(images.length * channels * plane);
  const tables = Array.from({ length: channels }, (_, c) => tableOf(recipe, c));
  let to = 0;
  for (const image of images)
    for (let c = 0; c < channels; c++)
      for (let i = 0; i < plane; i++) data[to++] = tables[c]![image.data[i * channels + c]!]!;
  const dims = [...(port.shape.length === 5 ? [1, images.length] : [images.length]), channels, height, width];
  const dtype = port.dtype ?? DType.FLOAT;
  if (dtype === DType.FLOAT) return { dtype, dims, data };
  if (dtype === DType.FLOAT16) return { dtype, dims, data: Uint16Array.from(data, numberToHalf) };
  throw new SecateurError('run-unsupported', { reason: `its encoder takes pixels of type ${dtypeName(dtype)}` });
}

/** The encoder's value of every pixel value, each step rounded to single precision as numpy does. */
function tableOf({ rescale, mean, std }: ImageRecipe, channel: number): Float32Array {
  const of = (list: readonly number[] | null, none: number): number =>
    Math.fround(list ? list[list.length === 1 ? 0 : channel]! : none);
  return Float32Array.from({ length: 256 }, (_, v) => {
    const value = Math.fround(v * rescale);
    return mean || std ? Math.fround(Math.fround(value - of(mean, 0)) / of(std, 1)) : value;
  });
}
