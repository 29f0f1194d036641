/** Converts samples for display: the model's input to 8-bit pixels, and those to PNG. */
import sharp from 'sharp';
import type { Preprocess } from '../../shared/model/job.ts';
import type { HostTensor } from '../engine/executor.ts';
import { DType } from '../engine/ir/dtype.ts';
import { halfToNumber } from '../engine/ir/tensor.ts';
import { imageLayout, type ImageLayout } from './expect.ts';
import type { Pixels } from './pixels.ts';

/** Maximum side of a picture, in pixels. */
const SIDE = 96;

/**
 * Pictures of a batch as the model gets it, or null when its samples are not pictures. The arithmetic of the
 * preprocessing is undone, so a picture shows the model's input and not the file. Without preprocessing, the range of
 * the whole batch maps to 0..255, which keeps brightness comparable between samples.
 * @param batch first axis = samples
 * @param p the preprocessing in force, null where arrays pass through unchanged
 */
export function picturesOf(batch: HostTensor, p: Preprocess | null): Pixels[] | null {
  const layout = layoutOf(batch.dims, p);
  if (!layout) return null;
  const { height, width, channels, strideY, strideX, strideC } = layout;
  const each = channels * height * width;
  const given = numbersOf(batch);
  const scale = p?.rescale ?? 1;
  // One number for all channels, or one per channel in the model's channel order.
  const of = (list: readonly number[] | undefined, c: number, none: number): number =>
    list ? list[list.length === 1 ? 0 : c]! : none;
  const values = new Float64Array(given.length);
  for (let n = 0, to = 0; n < batch.dims[0]!; n++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        for (let c = 0; c < channels; c++) {
          const source = p?.colorOrder === 'BGR' ? channels - 1 - c : c;
          const v = given[n * each + y * strideY + x * strideX + source * strideC]!;
          values[to++] = (v * of(p?.std, source, 1) + of(p?.mean, source, 0)) / scale;
        }
  const [low, high] = p?.rescale !== undefined ? [0, 255] : rangeOf(values);
  const data = Uint8ClampedArray.from(values, (v) => ((v - low) / (high - low || 1)) * 255);
  return Array.from({ length: batch.dims[0]! }, (_, n) => ({
    data: Uint8Array.from(data.subarray(n * each, (n + 1) * each)),
    width,
    height,
    channels,
  }));
}

/**
 * A PNG as a data URL, 96 x 96 at most. Small pictures are enlarged without smoothing, to show the exact pixels of the
 * model's input.
 */
export async function dataUrlOf(p: Pixels): Promise<string> {
  const raw = { width: p.width, height: p.height, channels: p.channels as 1 | 3 };
  const factor = SIDE / Math.max(p.width, p.height);
  const by = factor >= 2 ? Math.floor(factor) : Math.min(1, factor);
  const [width, height] = [p.width, p.height].map((side) => Math.max(1, Math.round(side * by)));
  const png = await sharp(p.data, { raw })
    .resize({ width: width!, height: height!, fit: 'fill', kernel: by > 1 ? 'nearest' : 'lanczos3' })
    .png()
    .toBuffer();
  return `data:image/png;base64,${png.toString('base64')}`;
}

function layoutOf(dims: readonly number[], p: Preprocess | null): ImageLayout | null {
  const [, ...sample] = dims;
  if (dims.length === 4) {
    const layout = imageLayout(sample, dims);
    // The preprocessing decides where a shape such as (3, 3, 3) is ambiguous.
    return layout && p?.layout === 'NHWC' && sample[2] === layout.channels ? channelsLast(sample) : layout;
  }
  // A flat model gets rows of pixels. Only square pictures can be inferred from a row's length.
  if (dims.length !== 2 || !p) return null;
  for (const channels of p.colorOrder === 'GRAY' ? [1] : [3, 1]) {
    const side = Math.sqrt(sample[0]! / channels);
    if (!Number.isInteger(side) || side < 2) continue;
    return p.layout === 'NHWC'
      ? channelsLast([side, side, channels])
      : imageLayout([channels, side, side], [1, 0, 0, 0]);
  }
  return null;
}

const channelsLast = ([height, width, channels]: readonly number[]): ImageLayout => ({
  height: height!,
  width: width!,
  channels: channels!,
  strideY: width! * channels!,
  strideX: channels!,
  strideC: 1,
});

const numbersOf = (t: HostTensor): ArrayLike<number> =>
  t.dtype === DType.FLOAT16
    ? Float64Array.from(t.data as Uint16Array, halfToNumber)
    : t.dtype === DType.INT64
      ? Float64Array.from(t.data as BigInt64Array, Number)
      : (t.data as Float32Array);

/** Values that are bytes already stay unchanged. */
function rangeOf(values: Float64Array): readonly [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const v of values) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  return low >= -0.5 && high <= 255.5 && high > 2 ? [0, 255] : [low, high];
}
