/** Drawing of areas into square RGB images of floats from 0 to 1, as the sample's scenes use it. */
import type { Random } from '../random.ts';

export type Colour = readonly [number, number, number];
/** Colour at a pixel; x and y in pixels. */
export type Paint = (x: number, y: number) => Colour;

/** An area: a test for points, and a circle (centre, radius) that contains it. */
export interface Area {
  readonly inside: (x: number, y: number) => boolean;
  readonly cx: number;
  readonly cy: number;
  readonly reach: number;
}

export const between = (r: Random, low: number, high: number): number => low + (high - low) * r.next();
export const mix = (a: Colour, b: Colour, t: number): Colour => [
  a[0] + (b[0] - a[0]) * t,
  a[1] + (b[1] - a[1]) * t,
  a[2] + (b[2] - a[2]) * t,
];

/** Draws an area with 2 x 2 samples per pixel. @param canvas [size, size, 3] */
export function fill(canvas: Float32Array, size: number, { inside, cx, cy, reach }: Area, paint: Paint): void {
  const low = (c: number): number => Math.max(0, Math.floor(c - reach));
  const high = (c: number): number => Math.min(size, Math.ceil(c + reach));
  for (let y = low(cy); y < high(cy); y++)
    for (let x = low(cx); x < high(cx); x++) {
      let cover = 0;
      for (let s = 0; s < 4; s++) if (inside(x + 0.25 + 0.5 * (s & 1), y + 0.25 + 0.5 * (s >> 1))) cover += 0.25;
      if (cover === 0) continue;
      const c = paint(x, y);
      const at = (y * size + x) * 3;
      for (let k = 0; k < 3; k++) canvas[at + k]! += (c[k]! - canvas[at + k]!) * cover;
    }
}

/** A bar of half-width `half` and half-length `length` about (cx, cy). */
export function bar(cx: number, cy: number, angle: number, half: number, length: number): Area {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const inside = (x: number, y: number): boolean =>
    Math.abs((y - cy) * c - (x - cx) * s) < half && Math.abs((x - cx) * c + (y - cy) * s) < length;
  return { inside, cx, cy, reach: half + length };
}
