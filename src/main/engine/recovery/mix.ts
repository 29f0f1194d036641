import type { HostTensor } from '../executor.ts';
import type { Random } from '../random.ts';
import { picturesIn } from './pictures.ts';

/** Largest area of a patch: what a label says about the picture stays true of most of it. */
const LARGEST = 0.5;

/**
 * Some pictures of a batch get a rectangle of another one, at the same place (CutMix, Yun et al. 2019, arXiv:1905.04899). Trained on the pictures themselves, an original is sure of all of them; of these it is not, and
 * what it says then is what a model that learns from it has to know about pictures it has not seen. What
 * holds no pictures, and a batch of one, comes back unchanged.
 * @param share of the pictures, 0 to 1
 */
export function mixPatches(x: HostTensor, share: number, random: Random): HostTensor {
  const pictures = picturesIn(x);
  if (!pictures || pictures.n < 2) return x;
  const { data: from, n, channels, height, width, last } = pictures;
  // Rows of a picture in memory: one per channel and line, or one per line with the channels inside.
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
