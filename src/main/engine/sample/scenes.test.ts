import { expect, it } from 'vitest';
import { SCENE_CLASSES, SCENE_SIZE, makeScenes } from './scenes.ts';
import { SHAPES } from './shapes.ts';

const SIZE = SCENE_SIZE * SCENE_SIZE * 3;

it('repeats itself for a seed, in whatever portions it is drawn', () => {
  const whole = makeScenes(5, 12);
  const tail = makeScenes(5, 4, 8);
  expect(tail.images).toEqual(whole.images.slice(8 * SIZE));
  expect(tail.labels).toEqual(whole.labels.slice(8));
  expect(makeScenes(6, 12).images).not.toEqual(whole.images);
});

it('gives every class the same share', () => {
  const { labels } = makeScenes(1, 50);
  const counts = SCENE_CLASSES.map((_, c) => labels.filter((l) => l === c).length);
  expect(counts).toEqual(SCENE_CLASSES.map(() => 5));
});

it('keeps colours and places independent of the class', () => {
  // Mean colour and its spread per class: differences between classes stay within the sampling error.
  const n = 1000;
  const { images, labels } = makeScenes(2, n);
  const sum = new Float64Array(10);
  let all = 0;
  let square = 0;
  for (let i = 0; i < n; i++) {
    let mean = 0;
    for (let k = 0; k < SIZE; k++) mean += images[i * SIZE + k]! / SIZE;
    sum[labels[i]!]! += mean;
    all += mean / n;
    square += (mean * mean) / n;
  }
  const error = Math.sqrt((square - all * all) / (n / 10));
  for (const s of sum) expect(Math.abs(s / (n / 10) - all)).toBeLessThan(4 * error);
});

it('draws shapes that differ in outline and stay within reach', () => {
  const grid = Array.from(
    { length: 60 * 60 },
    (_, i) => [((i % 60) - 29.5) / 20, (Math.floor(i / 60) - 29.5) / 20] as const,
  );
  const masks = SHAPES.map((s) => grid.map(([u, v]) => s.inside(u, v)));
  masks.forEach((mask, i) => {
    const area = mask.filter(Boolean).length;
    expect(area, SHAPES[i]!.name).toBeGreaterThan(200);
    grid.forEach(([u, v], k) => {
      if (Math.hypot(u, v) > 1.25) expect(mask[k], `${SHAPES[i]!.name} at ${u}, ${v}`).toBe(false);
    });
    for (let j = 0; j < i; j++) {
      const apart = mask.filter((m, k) => m !== masks[j]![k]).length;
      expect(apart / area, `${SHAPES[i]!.name} and ${SHAPES[j]!.name}`).toBeGreaterThan(0.15);
    }
  });
});
