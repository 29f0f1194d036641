/**
 * Decodes, resizes and crops images: everything that yields 0..255 pixels. The arithmetic on them is in normalise.ts.
 */
import sharp from 'sharp';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Preprocess } from '../../shared/model/job.ts';
import { refuseLfsPointer } from './read-text.ts';

// dataset.ts decodes several images at a time, so threads inside one image and libvips' own cache would only cost
// memory.
sharp.concurrency(1);
sharp.cache(false);

/** Interleaved 0..255 pixels, rows top to bottom; 1 (grey) or 3 (RGB) channels. */
export interface Pixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}

/** Target geometry of an image: the preprocessing's own steps, then the model's input size if it differs. */
export interface Geometry {
  readonly resize?: Preprocess['resize'];
  readonly interpolation?: Preprocess['interpolation'];
  readonly crop?: Preprocess['crop'];
  /** Input size of the model; null while unknown (dynamic). */
  readonly target: { readonly width: number; readonly height: number } | null;
}

const KERNELS = { nearest: 'nearest', bilinear: 'linear', bicubic: 'cubic', lanczos: 'lanczos3' } as const;
/** libvips refuses larger images before it allocates memory, because a header can claim any size. */
const MAX_PIXELS = 2 ** 28;

/**
 * Size after the resize step. The long side is truncated to an integer, as in torchvision and transformers.
 * @internal
 */
export function resizedSize(
  resize: NonNullable<Preprocess['resize']>,
  width: number,
  height: number,
): { width: number; height: number } {
  if ('width' in resize) return resize;
  const edge = resize.shortestEdge;
  return width <= height
    ? { width: edge, height: Math.max(1, Math.trunc((edge * height) / width)) }
    : { width: Math.max(1, Math.trunc((edge * width) / height)), height: edge };
}

/** The centre part, padded with black where the image is smaller. @internal */
export function centerCrop(p: Pixels, width: number, height: number): Pixels {
  if (p.width === width && p.height === height) return p;
  const data = new Uint8Array(width * height * p.channels),
    left = Math.floor((p.width - width) / 2),
    top = Math.floor((p.height - height) / 2);
  const x0 = Math.max(0, -left),
    x1 = Math.min(width, p.width - left);
  for (let y = Math.max(0, -top); y < Math.min(height, p.height - top); y++) {
    const from = ((y + top) * p.width + x0 + left) * p.channels;
    data.set(p.data.subarray(from, from + (x1 - x0) * p.channels), (y * width + x0) * p.channels);
  }
  return { data, width, height, channels: p.channels };
}

async function scale(p: Pixels, width: number, height: number, g: Geometry): Promise<Pixels> {
  if (p.width === width && p.height === height) return p;
  const raw = { width: p.width, height: p.height, channels: p.channels as 1 | 3 };
  const { data, info } = await sharp(p.data, { raw })
    .resize({ width, height, fit: 'fill', kernel: KERNELS[g.interpolation ?? 'bilinear'] })
    .raw()
    .toBuffer({ resolveWithObject: true });
  // A grey image may come back with three equal channels.
  if (info.channels === p.channels) return { data, width, height, channels: p.channels };
  const out = new Uint8Array(width * height * p.channels);
  for (let i = 0; i < width * height; i++)
    for (let c = 0; c < p.channels; c++) out[i * p.channels + c] = data[i * info.channels + c]!;
  return { data: out, width, height, channels: p.channels };
}

/**
 * Applies the geometry. `adapted` is true when the image had to be resized to the model's input without a resize being
 * requested.
 */
export async function fit(p: Pixels, g: Geometry): Promise<{ pixels: Pixels; adapted: boolean }> {
  let out = p;
  if (g.resize) {
    const to = resizedSize(g.resize, p.width, p.height);
    out = await scale(out, to.width, to.height, g);
  }
  if (g.crop) out = centerCrop(out, g.crop.width, g.crop.height);
  const t = g.target;
  if (!t || (out.width === t.width && out.height === t.height)) return { pixels: out, adapted: false };
  // Cover the target and crop the rest, which keeps shapes undistorted.
  const factor = Math.max(t.width / out.width, t.height / out.height);
  const width = Math.max(t.width, Math.round(out.width * factor)),
    height = Math.max(t.height, Math.round(out.height * factor));
  out = centerCrop(await scale(out, width, height, g), t.width, t.height);
  return { pixels: out, adapted: true };
}

/**
 * Decodes a file to RGB. Alpha is dropped and orientation tags are ignored, as in training pipelines.
 * @param upright follows the orientation tag, as processors of prompts do
 * @throws 'image-unreadable', 'lfs-pointer'
 */
export async function decodeImage(path: string, upright = false): Promise<Pixels> {
  try {
    const { data, info } = await sharp(path, {
      failOn: 'truncated',
      limitInputPixels: MAX_PIXELS,
      autoOrient: upright,
    })
      .toColourspace('srgb')
      .removeAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return { data, width: info.width, height: info.height, channels: info.channels };
  } catch (e) {
    await refuseLfsPointer(path);
    const reason = (e as Error).message.split('\n')[0]!;
    throw new SecateurError('image-unreadable', { path, reason }, { cause: e });
  }
}

/** Width and height from the header; null where the header cannot be read. */
export async function sizeOfImage(path: string): Promise<{ width: number; height: number } | null> {
  try {
    const { width, height } = await sharp(path, { limitInputPixels: MAX_PIXELS }).metadata();
    return { width, height };
  } catch {
    // Decoding the image later reports the reason.
    return null;
  }
}

/**
 * Reads only the header, to check that the file is an image.
 * @throws 'image-unreadable', 'lfs-pointer'
 */
export async function probeImage(path: string): Promise<void> {
  try {
    await sharp(path, { limitInputPixels: MAX_PIXELS }).metadata();
  } catch (e) {
    await refuseLfsPointer(path);
    throw new SecateurError('image-unreadable', { path, reason: (e as Error).message.split('\n')[0]! }, { cause: e });
  }
}
