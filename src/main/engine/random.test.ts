import { expect, it } from 'vitest';
import { seededRandom } from './random.ts';

it('repeats itself for a seed and differs between seeds', () => {
  const draw = (seed: number) =>
    Array.from(
      { length: 8 },
      (
        (r) => () =>
          r.next()
      )(seededRandom(seed)),
    );
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
  expect(draw(7)).not.toEqual(draw(7 + 2 ** 32));
});

it('is uniform and normal within sampling error', () => {
  const r = seededRandom(1),
    n = 20_000,
    bins = new Array<number>(10).fill(0);
  let mean = 0,
    square = 0;
  for (let i = 0; i < n; i++) {
    bins[r.int(10)]!++;
    const x = r.normal();
    mean += x / n;
    square += (x * x) / n;
  }
  for (const b of bins) expect(Math.abs(b - n / 10)).toBeLessThan(5 * Math.sqrt(n / 10));
  expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(n));
  expect(Math.abs(square - 1)).toBeLessThan(0.05);
});

it('shuffles every element into place', () => {
  const a = seededRandom(3).shuffle(Array.from({ length: 50 }, (_, i) => i));
  expect(a).not.toEqual([...a].sort((x, y) => x - y));
  expect([...a].sort((x, y) => x - y)).toEqual(Array.from({ length: 50 }, (_, i) => i));
});

it('refuses an impossible range', () => {
  expect(() => seededRandom(1).int(0)).toThrow(RangeError);
});
