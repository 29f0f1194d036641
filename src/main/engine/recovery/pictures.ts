import type { HostTensor } from '../executor.ts';

/** A batch of images, [N,C,H,W] or [N,H,W,C], as a view. */
export interface Pictures {
  readonly data: Float32Array;
  readonly n: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** Whether the channels of a pixel are adjacent. */
  readonly last: boolean;
}

/** The channel axis is the shorter of axis 1 and axis 3. Null for inputs that are not images. */
export function picturesIn(x: HostTensor): Pictures | null {
  if (x.dims.length !== 4 || !(x.data instanceof Float32Array)) return null;
  const [n, a, b, c] = x.dims as [number, number, number, number];
  const last = c < a;
  const [channels, height, width] = last ? [c, a, b] : [a, b, c];
  return { data: x.data, n, channels, height, width, last };
}
