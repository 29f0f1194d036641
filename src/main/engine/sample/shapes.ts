/**
 * The ten shapes of the sample task, each as a test whether a point lies inside. Coordinates are local: the shape is
 * centred on the origin, upright, and extends to about 1 from the centre.
 */
export interface Shape {
  readonly name: string;
  readonly inside: (u: number, v: number) => boolean;
}

const inDisc = (u: number, v: number, r: number): boolean => u * u + v * v < r * r;
const inSquare = (u: number, v: number, half: number): boolean => Math.abs(u) < half && Math.abs(v) < half;

/** Five points: the radius decreases linearly, in angle, from a point to the next notch. */
function inStar(u: number, v: number): boolean {
  const r = Math.hypot(u, v);
  const turn = ((Math.atan2(u, -v) / (2 * Math.PI)) * 5 + 5) % 1;
  const toPoint = Math.abs(turn - Math.round(turn)) * 2;
  return r < 1 - 0.62 * toPoint;
}

/** (x^2 + y^2 - 1)^3 < x^2 y^3, the usual heart curve, scaled to fit. */
function inHeart(u: number, v: number): boolean {
  const x = u * 1.25;
  const y = -v * 1.25 + 0.1;
  const q = x * x + y * y - 1;
  return q * q * q < x * x * y * y * y;
}

/** In the order of the class numbers. */
export const SHAPES: readonly Shape[] = [
  { name: 'disc', inside: (u, v) => inDisc(u, v, 0.88) },
  { name: 'ring', inside: (u, v) => inDisc(u, v, 0.95) && !inDisc(u, v, 0.52) },
  { name: 'square', inside: (u, v) => inSquare(u, v, 0.76) },
  { name: 'frame', inside: (u, v) => inSquare(u, v, 0.82) && !inSquare(u, v, 0.44) },
  { name: 'triangle', inside: (u, v) => v < 0.62 && 1.75 * Math.abs(u) < v + 0.98 },
  { name: 'star', inside: inStar },
  {
    name: 'cross',
    inside: (u, v) => Math.min(Math.abs(u), Math.abs(v)) < 0.28 && Math.max(Math.abs(u), Math.abs(v)) < 0.95,
  },
  { name: 'crescent', inside: (u, v) => inDisc(u, v, 0.98) && !inDisc(u - 0.48, v, 0.78) },
  { name: 'heart', inside: inHeart },
  { name: 'hourglass', inside: (u, v) => Math.abs(v) < 0.86 && Math.abs(u) < 0.14 + 0.72 * Math.abs(v) },
];
