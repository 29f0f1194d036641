import sharp from 'sharp';
import { expect, it } from 'vitest';
import type { Preprocess } from '../../shared/model/job.ts';
import { DType } from '../engine/ir/dtype.ts';
import { writeImage } from './normalise.ts';
import { dataUrlOf, picturesOf } from './pictures.ts';

/** Two images of 2 x 3 pixels, interleaved. */
const bytes = (channels: number): number[][] =>
  [0, 1].map((n) => Array.from({ length: 6 * channels }, (_, i) => (i * 37 + n * 101 + 5) % 256));

function batchOf(images: readonly number[][], channels: number, p: Preprocess) {
  const data = new Float32Array(images.length * 6 * channels);
  const view = { offset: 0, height: 2, width: 3, channels, strideY: 3 * channels, strideX: channels, strideC: 1 };
  images.forEach((image, n) => writeImage({ ...view, data: image, bytes: true }, p, channels, data, n * 6 * channels));
  const dims = p.layout === 'NHWC' ? [images.length, 2, 3, channels] : [images.length, channels, 2, 3];
  return { dtype: DType.FLOAT, dims, data };
}

const normalised = { rescale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
it.each<[string, number, Preprocess]>([
  ['channels first', 3, { layout: 'NCHW', colorOrder: 'RGB', ...normalised }],
  ['channels last', 3, { layout: 'NHWC', colorOrder: 'RGB', ...normalised }],
  ['blue first', 3, { layout: 'NCHW', colorOrder: 'BGR', ...normalised }],
  ['grey', 1, { layout: 'NCHW', colorOrder: 'GRAY', rescale: 2 / 255, mean: [1] }],
  ['raw bytes', 3, { layout: 'NCHW', colorOrder: 'RGB' }],
])('gives back the pixels that were preprocessed: %s', (_, channels, p) => {
  const images = bytes(channels);
  const got = picturesOf(batchOf(images, channels, p), p)!;
  expect(got.map(({ width, height }) => [width, height])).toEqual([[3, 2], [3, 2]]); // prettier-ignore
  expect(got.map((g) => [...g.data])).toEqual(images);
});

it('spreads the range of the whole batch where nothing says what values mean', () => {
  const data = Float32Array.from({ length: 2 * 3 * 16 }, (_, i) => (i < 48 ? -1 : 1));
  data[0] = 0;
  const [dark, bright] = picturesOf({ dtype: DType.FLOAT, dims: [2, 3, 4, 4], data }, null)!;
  expect([dark!.data[0], dark!.data[1], bright!.data[0]]).toEqual([128, 0, 255]);
});

it('keeps a picture dark that the model sees dark', () => {
  const p: Preprocess = { layout: 'NCHW', colorOrder: 'GRAY', rescale: 1 / 255 };
  const data = Float32Array.from({ length: 16 }, (_, i) => i / 16 / 255);
  expect(Math.max(...picturesOf({ dtype: DType.FLOAT, dims: [1, 1, 4, 4], data }, p)![0]!.data)).toBeLessThanOrEqual(1);
});

it('finds square pictures in the rows of a flat model, and none in anything else', () => {
  const p: Preprocess = { layout: 'NCHW', colorOrder: 'GRAY', rescale: 1 };
  const flat = { dtype: DType.FLOAT, dims: [2, 16], data: Float32Array.from({ length: 32 }, (_, i) => i) };
  expect(picturesOf(flat, p)!.map((x) => [x.width, x.height, x.channels, x.data[1]])).toEqual([[4, 4, 1, 1], [4, 4, 1, 17]]); // prettier-ignore
  expect(picturesOf(flat, null)).toBeNull();
  expect(picturesOf({ ...flat, dims: [1, 8, 2, 2] }, null)).toBeNull();
  expect(picturesOf({ ...flat, dims: [4, 8] }, p)).toBeNull();
});

it.each([
  [8, 8, 96, 96],
  [40, 20, 80, 40],
  [70, 70, 70, 70],
  [384, 192, 96, 48],
])('encodes %i x %i as a PNG of %i x %i', async (width, height, w, h) => {
  const data = new Uint8Array(width * height * 3).fill(200);
  data.set([255, 0, 0]);
  const url = await dataUrlOf({ data, width, height, channels: 3 });
  const image = sharp(Buffer.from(url.replace('data:image/png;base64,', ''), 'base64'));
  expect(await image.metadata()).toMatchObject({ format: 'png', width: w, height: h });
  const pixels = await image.removeAlpha().raw().toBuffer();
  // When enlarged, the first pixel becomes a square of its own colour.
  if (w > width) expect([...pixels.subarray(0, 6)]).toEqual([255, 0, 0, 255, 0, 0]);
});
