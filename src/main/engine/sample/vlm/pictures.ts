/**
 * Pictures for the vision-language sample: three to six coloured shapes, each in a cell of its own of a 6 x 6 grid,
 * over a dim background with strokes and noise. Everything is drawn from a seed, so a picture is given by its seed and
 * number.
 */
import { seededRandom, type Random } from '../../random.ts';
import { bar, between, fill, type Colour } from '../canvas.ts';
import { SHAPES } from '../shapes.ts';

/** Cells per side. */
export const GRID = 6;
/** Pixels per side of a cell. */
const CELL = 16;
/** Width and height in pixels. */
export const PICTURE_SIZE = GRID * CELL;

const COLOURS: Readonly<Record<string, Colour>> = {
  red: [0.88, 0.12, 0.12],
  green: [0.15, 0.72, 0.2],
  blue: [0.15, 0.3, 0.92],
  yellow: [0.95, 0.9, 0.15],
  purple: [0.6, 0.18, 0.78],
  cyan: [0.2, 0.85, 0.88],
  orange: [0.96, 0.52, 0.08],
  white: [0.96, 0.96, 0.96],
};
export const COLOUR_NAMES: readonly string[] = Object.keys(COLOURS);
export const SHAPE_NAMES = ['disc', 'ring', 'square', 'frame', 'triangle', 'cross', 'star', 'hourglass'] as const;

/** One object; colour and shape are indices into the names, row and column count from 0 at the top left. */
export interface Thing {
  readonly colour: number;
  readonly shape: number;
  readonly row: number;
  readonly column: number;
}

export interface Picture {
  readonly things: readonly Thing[];
  /** [96, 96, 3], RGB, 0..255. */
  readonly pixels: Uint8Array;
}

/** Least and most things of a picture. */
export type ThingCount = readonly [number, number];
export const THINGS: ThingCount = [3, 6];

/** Picture `index` of the infinite series of `seed`. */
export function makePicture(seed: number, index: number, count: ThingCount = THINGS): Picture {
  const r = seededRandom(seed).fork(index);
  const things = placeThings(r, count);
  return { things, pixels: draw(r, things) };
}

/** Colours and shapes come from a few per picture, so that some occur several times. */
function placeThings(r: Random, [fewest, most]: ThingCount): Thing[] {
  const few = (n: number): number[] => r.shuffle(Array.from({ length: n }, (_, i) => i)).slice(0, 2 + r.int(4));
  const colours = few(COLOUR_NAMES.length);
  const shapes = few(SHAPE_NAMES.length);
  const cells = r.shuffle(Array.from({ length: GRID * GRID }, (_, i) => i)).slice(0, fewest + r.int(most - fewest + 1));
  return cells.map((cell) => ({
    colour: colours[r.int(colours.length)]!,
    shape: shapes[r.int(shapes.length)]!,
    row: Math.floor(cell / GRID),
    column: cell % GRID,
  }));
}

function draw(r: Random, things: readonly Thing[]): Uint8Array {
  const size = PICTURE_SIZE;
  const canvas = new Float32Array(size * size * 3);
  paintBackground(r, canvas);
  for (let n = r.int(6); n > 0; n--) {
    const dim = between(r, 0.05, 0.5);
    const stroke = bar(between(r, 0, size), between(r, 0, size), between(r, 0, Math.PI), between(r, 0.4, 1), between(r, 4, 20)); // prettier-ignore
    fill(canvas, size, stroke, () => [dim, dim, dim]);
  }
  for (const t of things) drawThing(r, canvas, t);
  const noise = between(r, 0.01, 0.06);
  const pixels = new Uint8Array(canvas.length);
  for (let i = 0; i < pixels.length; i++) {
    const v = (canvas[i]! + noise * (r.next() - 0.5)) * 255;
    pixels[i] = v < 0 ? 0 : v > 255 ? 255 : v + 0.5;
  }
  return pixels;
}

/** A gradient between two dim colours, in any direction. */
function paintBackground(r: Random, canvas: Float32Array): void {
  const dim = (): Colour => {
    const grey = between(r, 0.05, 0.42);
    return [grey + between(r, -0.06, 0.06), grey + between(r, -0.06, 0.06), grey + between(r, -0.06, 0.06)];
  };
  const [from, to] = [dim(), dim()];
  const angle = between(r, 0, 2 * Math.PI);
  const [dx, dy] = [Math.cos(angle) / PICTURE_SIZE, Math.sin(angle) / PICTURE_SIZE];
  for (let y = 0, at = 0; y < PICTURE_SIZE; y++)
    for (let x = 0; x < PICTURE_SIZE; x++, at += 3) {
      const t = 0.5 + 0.7 * ((x - PICTURE_SIZE / 2) * dx + (y - PICTURE_SIZE / 2) * dy);
      for (let c = 0; c < 3; c++) canvas[at + c] = from[c]! + (to[c]! - from[c]!) * t;
    }
}

/** Place, size, turn, stretch and tint vary; the shape stays within its cell. */
function drawThing(r: Random, canvas: Float32Array, t: Thing): void {
  const radius = between(r, 5.6, 7.4);
  const room = CELL / 2 - radius;
  const cx = (t.column + 0.5) * CELL + between(r, -room, room);
  const cy = (t.row + 0.5) * CELL + between(r, -room, room);
  const angle = between(r, -0.2, 0.2);
  const stretch = between(r, 0.92, 1.08);
  const [c, s] = [Math.cos(angle) / radius, Math.sin(angle) / radius];
  const { inside } = SHAPES.find((shape) => shape.name === SHAPE_NAMES[t.shape])!;
  const placed = (x: number, y: number): boolean =>
    inside(((x - cx) * c + (y - cy) * s) * stretch, ((y - cy) * c - (x - cx) * s) / stretch);
  const base = COLOURS[COLOUR_NAMES[t.colour]!]!;
  const tint: Colour = [
    base[0] + between(r, -0.06, 0.06),
    base[1] + between(r, -0.06, 0.06),
    base[2] + between(r, -0.06, 0.06),
  ];
  fill(canvas, PICTURE_SIZE, { inside: placed, cx, cy, reach: radius * 1.5 }, () => tint);
}
