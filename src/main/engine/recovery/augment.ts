import type { HostTensor } from '../executor.ts';
import type { Random } from '../random.ts';
import { picturesIn } from './pictures.ts';

export interface AugmentOptions {
  /** Largest shift as a share of the image's side; 0.125 is 4 pixels of 32. */
  readonly shift: number;
  readonly mirror: boolean;
}

/** Changes to one sample. Shifts are shares of the image's side. */
export interface View {
  readonly dx: number;
  readonly dy: number;
  readonly flip: boolean;
}

export const drawView = (o: AugmentOptions, random: Random): View => ({
  dx: (2 * random.next() - 1) * o.shift,
  dy: (2 * random.next() - 1) * o.shift,
  flip: o.mirror && random.next() < 0.5,
});

/**
 * Shifts (filled with zeros: the mean colour, since inputs are normalised) and mirrors a batch of images left to right.
 * Other inputs are returned unchanged.
 * @param views one per sample
 */
export function applyViews(x: HostTensor, views: readonly View[]): HostTensor {
  const pictures = picturesIn(x);
  if (!pictures) return x;
  const { data: from, n, channels, height, width, last } = pictures;
  const size = channels * height * width;
  // Strides of channel, row and column inside a sample.
  const [sc, sh, sw] = last ? [1, width * channels, channels] : [height * width, width, 1];
  const to = new Float32Array(from.length);
  for (let i = 0; i < n; i++) {
    const { flip, ...view } = views[i]!;
    const dy = Math.round(view.dy * height);
    const dx = Math.round(view.dx * width);
    for (let y = 0; y < height; y++) {
      const ys = y + dy;
      if (ys < 0 || ys >= height) continue;
      for (let xx = 0; xx < width; xx++) {
        const xs = (flip ? width - 1 - xx : xx) + dx;
        if (xs < 0 || xs >= width) continue;
        const target = i * size + y * sh + xx * sw;
        const source = i * size + ys * sh + xs * sw;
        for (let k = 0; k < channels; k++) to[target + k * sc] = from[source + k * sc]!;
      }
    }
  }
  return { dtype: x.dtype, dims: x.dims, data: to };
}
