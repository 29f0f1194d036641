import type { HostTensor } from '../executor.ts';
import type { Random } from '../random.ts';
import { picturesIn } from './pictures.ts';

/** Largest area of a patch, so that a label stays true of most of the image. */
const LARGEST = 0.5;

/**
 * Replaces a rectangle of some images of a batch by the same rectangle of another one (CutMix, Yun et al. 2019,
 * arXiv:1905.04899). The original is certain about its training images but not about these, so its outputs here teach
 * the student about unseen images. Inputs that are not images, and a batch of one, are returned unchanged.
 * @param share of the images, 0 to 1
 */
export function mixPatches(x: HostTensor, share: number, random: Random): HostTensor {
  const pictures = picturesIn(x);
  if (!pictures || pictures.n < 2) return x;
  const { data: from, n, channels, height, width, last } = pictures;
  // Rows of an image in memory: one per channel and line, or one per line with the channels inside.
  const [planes, pixel] = last ? [1, channels] : [channels, 1];
  const line = width * pixel;
  const size = planes * height * line;
  const to = from.slice();
  for (let i = 0; i < n; i++) {
    if (random.next() >= share) continue;
    const j = (i + 1 + random.int(n - 1)) % n;
    const side = Math.sqrt(LARGEST * random.next());
    const [h, w] = [Math.round(side * height), Math.round(side * width)];
    const top = random.int(height - h + 1);
    const left = random.int(width - w + 1);
    for (let p = 0; p < planes; p++)
      for (let y = top; y < top + h; y++) {
        const at = (p * height + y) * line + left * pixel;
        to.set(from.subarray(j * size + at, j * size + at + w * pixel), i * size + at);
      }
  }
  return { ...x, data: to };
}
