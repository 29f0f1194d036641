/**
 * Resizes 8-bit pixels exactly as PIL does. Models of Hugging Face processors are trained and judged on PIL's pixels,
 * and other libraries differ from them by a few levels. The method: a filter that is widened when the picture shrinks,
 * applied along rows and then along columns, with weights in fixed point and the result rounded in between (Pillow's
 * documentation, "Filters"; weights as in Turkowski, "Filters for common resampling tasks", 1990).
 */
import type { Filter, Size } from './recipe.ts';

/** Interleaved 0..255 pixels, rows from top to bottom. */
export interface Bitmap extends Size {
  readonly data: Uint8Array;
  readonly channels: number;
}

interface Kernel {
  /** Half of the width on which the filter is not 0. */
  readonly support: number;
  readonly at: (x: number) => number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** The cubic's free parameter. */
const A = -0.5;

const KERNELS: Readonly<Record<Exclude<Filter, 'nearest'>, Kernel>> = {
  box: { support: 0.5, at: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    at: (x) => (Math.abs(x) >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x))),
  },
  bicubic: {
    support: 2,
    at: (given) => {
      const x = Math.abs(given);
      if (x < 1) return ((A + 2) * x - (A + 3)) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * A : 0;
    },
  },
  lanczos: { support: 3, at: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Fractional bits of a weight: 8 bits of pixel, 2 bits for sums above 255 and a sign remain of 32. */
const BITS = 22;

/** Returns a bitmap of the given size; the same one where the size does not change. */
export function resample(image: Bitmap, { width, height }: Size, filter: Filter): Bitmap {
  if (image.width === width && image.height === height) return image;
  if (filter === 'nearest') return nearest(image, width, height);
  const kernel = KERNELS[filter];
  const wide = image.width === width ? image : alongRows(image, width, kernel);
  return wide.height === height ? wide : alongColumns(wide, height, kernel);
}

interface Weights {
  /** First source pixel of every target pixel. */
  readonly first: Int32Array;
  /** Number of source pixels of every target pixel. */
  readonly count: Int32Array;
  /** Fixed-point weights, `most` per target pixel. */
  readonly weights: Int32Array;
  readonly most: number;
}

function weightsFor(from: number, to: number, { support, at }: Kernel): Weights {
  const scale = from / to;
  const spread = Math.max(scale, 1);
  const reach = support * spread;
  const most = Math.ceil(reach) * 2 + 1;
  const out = { first: new Int32Array(to), count: new Int32Array(to), weights: new Int32Array(to * most), most };
  const row = new Float64Array(most);
  for (let i = 0; i < to; i++) {
    const center = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - reach + 0.5));
    const count = Math.min(from, Math.trunc(center + reach + 0.5)) - first;
    let sum = 0;
    for (let j = 0; j < count; j++) sum += row[j] = at((j + first - center + 0.5) * (1 / spread));
    out.first[i] = first;
    out.count[i] = count;
    for (let j = 0; j < count; j++) {
      const weight = (sum === 0 ? row[j]! : row[j]! / sum) * 2 ** BITS;
      out.weights[i * most + j] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
  }
  return out;
}

const clip = (sum: number): number => {
  const value = sum >> BITS;
  return value < 0 ? 0 : value > 255 ? 255 : value;
};

function alongRows(image: Bitmap, width: number, kernel: Kernel): Bitmap {
  const { height, channels, data } = image;
  const { first, count, weights, most } = weightsFor(image.width, width, kernel);
  const out = new Uint8Array(width * height * channels);
  let to = 0;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < channels; c++) {
        let sum = 1 << (BITS - 1);
        let from = (y * image.width + first[x]!) * channels + c;
        for (let j = 0; j < count[x]!; j++, from += channels) sum += data[from]! * weights[x * most + j]!;
        out[to++] = clip(sum);
      }
  return { data: out, width, height, channels };
}

function alongColumns(image: Bitmap, height: number, kernel: Kernel): Bitmap {
  const { width, channels, data } = image;
  const { first, count, weights, most } = weightsFor(image.height, height, kernel);
  const row = width * channels;
  const out = new Uint8Array(height * row);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < row; x++) {
      let sum = 1 << (BITS - 1);
      let from = first[y]! * row + x;
      for (let j = 0; j < count[y]!; j++, from += row) sum += data[from]! * weights[y * most + j]!;
      out[y * row + x] = clip(sum);
    }
  return { data: out, width, height, channels };
}

function nearest(image: Bitmap, width: number, height: number): Bitmap {
  const { channels, data } = image;
  const out = new Uint8Array(width * height * channels);
  const sources = (from: number, to: number): number[] =>
    Array.from({ length: to }, (_, i) => Math.min(from - 1, Math.floor(((i + 0.5) * from) / to)));
  const xs = sources(image.width, width);
  let to = 0;
  for (const y of sources(image.height, height))
    for (const x of xs) for (let c = 0; c < channels; c++) out[to++] = data[(y * image.width + x) * channels + c]!;
  return { data: out, width, height, channels };
}
