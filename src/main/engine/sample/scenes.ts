/**
 * The sample task: small procedural scenes with one shape among clutter. The shape must be recognised for any position,
 * size, rotation, colour and texture. Everything is drawn from a seed, so a data set is given by its seed and length.
 * Single pixels carry no class information (colours and positions are independent of the shape), so a linear model
 * cannot solve it.
 */
import { seededRandom, type Random } from '../random.ts';
import { bar, between, fill as fillArea, mix, type Area, type Colour, type Paint } from './canvas.ts';
import { SHAPES } from './shapes.ts';

/** Width and height in pixels. */
export const SCENE_SIZE = 32;
export const SCENE_CLASSES: readonly string[] = SHAPES.map((s) => s.name);

export interface Scenes {
  /** [count, 32, 32, 3], RGB, 0..255. */
  readonly images: Uint8Array;
  /** Class numbers, [count]. */
  readonly labels: Uint8Array;
}

/**
 * Scenes `first` to `first + count - 1` of the infinite series of `seed`. Classes take turns, so they have equal
 * shares.
 */
export function makeScenes(seed: number, count: number, first = 0): Scenes {
  const size = SCENE_SIZE * SCENE_SIZE * 3;
  const images = new Uint8Array(count * size);
  const labels = new Uint8Array(count);
  const series = seededRandom(seed);
  for (let i = 0; i < count; i++) {
    const label = (first + i) % SHAPES.length;
    labels[i] = label;
    drawScene(series.fork(first + i), label, images.subarray(i * size, (i + 1) * size));
  }
  return { images, labels };
}

const fill = (canvas: Float32Array, area: Area, paint: Paint): void => fillArea(canvas, SCENE_SIZE, area, paint);
const randomColour = (r: Random): Colour => [r.next(), r.next(), r.next()];
const distance = (a: Colour, b: Colour): number => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
/**
 * A colour at least `far` from another. The fallback is the opposite corner of the colour cube, which is always far
 * enough.
 */
function colourAwayFrom(r: Random, other: Colour, far: number): Colour {
  for (let i = 0; i < 20; i++) {
    const c = randomColour(r);
    if (distance(c, other) >= far) return c;
  }
  return [other[0] < 0.5 ? 1 : 0, other[1] < 0.5 ? 1 : 0, other[2] < 0.5 ? 1 : 0];
}

/** Plain, gradient, stripes, checks or blotches between two similar colours. */
function texture(r: Random, base: Colour, depth: number): Paint {
  const other = mix(base, randomColour(r), depth);
  const angle = between(r, 0, Math.PI);
  const [dx, dy] = [Math.cos(angle), Math.sin(angle)];
  const period = between(r, 3, 8);
  const phase = between(r, 0, period);
  switch (r.int(5)) {
    case 0:
      return () => base;
    case 1:
      return (x, y) => mix(base, other, 0.5 + ((x - 16) * dx + (y - 16) * dy) / 45);
    case 2:
      return (x, y) => (((((x * dx + y * dy + phase) / period) % 1) + 1) % 1 < 0.5 ? base : other);
    case 3:
      return (x, y) => {
        const a = Math.floor((x * dx + y * dy + phase) / period);
        const b = Math.floor((y * dx - x * dy + phase) / period);
        return ((a + b) & 1) === 0 ? base : other;
      };
    default: {
      const waves = Array.from({ length: 3 }, () => [between(r, -0.7, 0.7), between(r, -0.7, 0.7), between(r, 0, 6.3)]);
      return (x, y) => mix(base, other, waves.reduce((s, [a, b, c]) => s + Math.sin(a! * x + b! * y + c!), 3) / 6);
    }
  }
}

/** A dot or a short stroke at a random position: clutter that is not a shape of the task. */
function clutter(r: Random, canvas: Float32Array): void {
  const [cx, cy] = [between(r, 0, SCENE_SIZE), between(r, 0, SCENE_SIZE)];
  const colour = randomColour(r);
  if (r.next() < 0.4) {
    const radius = between(r, 0.8, 1.9);
    fill(
      canvas,
      { inside: (x, y) => (x - cx) ** 2 + (y - cy) ** 2 < radius * radius, cx, cy, reach: radius },
      () => colour,
    );
  } else fill(canvas, bar(cx, cy, between(r, 0, Math.PI), between(r, 0.4, 0.9), between(r, 2, 6)), () => colour);
}

function drawScene(r: Random, label: number, out: Uint8Array): void {
  const canvas = new Float32Array(out.length);
  const back = randomColour(r);
  fill(canvas, { inside: () => true, cx: 0, cy: 0, reach: SCENE_SIZE }, texture(r, back, 0.35));
  for (let n = r.int(3); n > 0; n--) clutter(r, canvas);

  const radius = between(r, 7, 13);
  const margin = radius * 0.85;
  const [cx, cy] = [between(r, margin, SCENE_SIZE - margin), between(r, margin, SCENE_SIZE - margin)];
  const angle = between(r, 0, 2 * Math.PI);
  const stretch = between(r, 0.85, 1.18);
  const [c, s] = [Math.cos(angle) / radius, Math.sin(angle) / radius];
  const { inside } = SHAPES[label]!;
  const placed = (x: number, y: number): boolean =>
    inside(((x - cx) * c + (y - cy) * s) * stretch, ((y - cy) * c - (x - cx) * s) / stretch);
  fill(canvas, { inside: placed, cx, cy, reach: radius * 1.5 }, texture(r, colourAwayFrom(r, back, 0.6), 0.22));

  // Occlusion: strokes anywhere, and often a bar across the shape.
  for (let n = r.int(3); n > 0; n--) clutter(r, canvas);
  if (r.next() < 0.4) {
    const off = between(r, -0.7, 0.7) * radius;
    const across = between(r, 0, Math.PI);
    const colour = randomColour(r);
    const [bx, by] = [cx - off * Math.sin(across), cy + off * Math.cos(across)];
    fill(canvas, bar(bx, by, across, between(r, 0.6, 1.6), 2 * SCENE_SIZE), () => colour);
  }

  // Light that falls off to one side, and sensor noise.
  const light = between(r, 0, 2 * Math.PI);
  const [lx, ly] = [(Math.cos(light) * 0.35) / SCENE_SIZE, (Math.sin(light) * 0.35) / SCENE_SIZE];
  const noise = between(r, 0.005, 0.05);
  for (let y = 0; y < SCENE_SIZE; y++)
    for (let x = 0; x < SCENE_SIZE; x++) {
      const gain = 0.9 + (x - SCENE_SIZE / 2) * lx + (y - SCENE_SIZE / 2) * ly;
      const at = (y * SCENE_SIZE + x) * 3;
      for (let k = 0; k < 3; k++) {
        const v = canvas[at + k]! * gain + noise * r.normal();
        out[at + k] = Math.max(0, Math.min(255, Math.round(v * 255)));
      }
    }
}
