import { describe, expect, test } from 'vitest';
import { seededRandom } from '../random.ts';
import { continuePattern, edges, periodOf, thin, windowCounts } from './staircase.ts';

/** A step at every multiple of 16, and a penalty at counts that are not multiples of 4, as in blocked convolutions. */
const stairs = (k: number): number => Math.ceil(k / 16) * 10 + (k % 4 ? 25 : 0);
const curve = (counts: readonly number[]): Map<number, number> => new Map(counts.map((k) => [k, stairs(k)]));

describe('staircase', () => {
  test('edges are the largest counts of their steps', () => {
    expect(edges(curve(windowCounts(48, 1)))).toEqual([16, 32, 48]);
  });

  test('noise below the tolerance makes no edge', () => {
    expect(
      edges(
        new Map([
          [1, 0.995],
          [2, 0.99],
          [3, 1],
        ]),
      ),
    ).toEqual([3]);
  });

  test('the pattern of a window goes on over the whole width', () => {
    const window = windowCounts(320, 1);
    expect(window.length).toBeLessThan(40);
    expect(continuePattern(curve(window), 320, 1, 30)).toEqual(Array.from({ length: 20 }, (_, i) => 16 * (i + 1)));
  });

  test('the full width stays although it is no multiple of the period', () => {
    const counts = continuePattern(curve(windowCounts(100, 1)), 100, 1);
    expect(counts).toEqual([16, 32, 48, 64, 80, 96, 100]);
  });

  test('counts honour the multiple of the group', () => {
    expect(windowCounts(24, 8)).toEqual([8, 16, 24]);
  });

  test('noise as large as half a step hides no period', () => {
    const random = seededRandom(3);
    const noisy = new Map([...curve(windowCounts(320, 1))].map(([k, t]) => [k, t + 5 * (random.next() - 0.5)]));
    expect(periodOf(noisy)).toMatchObject({ period: 16, place: 0 });
  });

  test('a straight line with noise has no steps', () => {
    const random = seededRandom(4);
    const line = new Map(windowCounts(320, 1).map((k) => [k, k + 4 * random.next()]));
    expect(periodOf(line)).toMatchObject({ period: 1, place: 0 });
  });

  test('the pattern of one group goes on over a wider one', () => {
    expect(continuePattern(curve(windowCounts(64, 1)), 64, 1, 20, 128)).toEqual([16, 32, 48, 64, 80, 96, 112, 128]);
  });

  test('thinning keeps both ends', () => {
    expect(thin([1, 2, 3, 4, 5, 6, 7, 8, 9], 3)).toEqual([1, 5, 9]);
  });
});
