import { describe, expect, it } from 'vitest';
import type { HostTensor } from '../executor.ts';
import { seededRandom } from '../random.ts';
import { mixPatches } from './mix.ts';

/** Images whose elements encode their position: sample, channel, row and column. */
function pictures(n: number, c: number, h: number, w: number, last: boolean): HostTensor {
  const dims = last ? [n, h, w, c] : [n, c, h, w];
  const data = new Float32Array(n * c * h * w);
  let k = 0;
  for (let i = 0; i < n; i++) for (let at = 0; at < c * h * w; at++) data[k++] = 1000 * i + at;
  return { dtype: 1, dims, data };
}

describe.each([false, true])('patches of other pictures, channels last: %s', (last) => {
  const [n, c, h, w] = [32, 3, 8, 10];
  const x = pictures(n, c, h, w, last);
  const size = c * h * w;
  const pixelOf = (at: number): number => (last ? Math.floor(at / c) : at % (h * w));

  it('come from one other picture, from the same place, as a rectangle of all channels, half the area at most', () => {
    const { data, dims } = mixPatches(x, 1, seededRandom(5));
    expect(dims).toEqual(x.dims);
    let changed = 0;
    for (let i = 0; i < n; i++) {
      const sources = new Set<number>();
      const touched = new Map<number, number>();
      for (let at = 0; at < size; at++) {
        const value = data[i * size + at] as number;
        expect(value % 1000).toBe(at);
        const source = Math.floor(value / 1000);
        if (source === i) continue;
        sources.add(source);
        touched.set(pixelOf(at), (touched.get(pixelOf(at)) ?? 0) + 1);
      }
      if (touched.size === 0) continue;
      changed++;
      expect(sources.size).toBe(1);
      expect(new Set(touched.values())).toEqual(new Set([c]));
      const rows = [...touched.keys()].map((p) => Math.floor(p / w));
      const columns = [...touched.keys()].map((p) => p % w);
      const area = (Math.max(...rows) - Math.min(...rows) + 1) * (Math.max(...columns) - Math.min(...columns) + 1);
      expect(touched.size).toBe(area);
      // Sides are rounded to whole pixels.
      expect(area).toBeLessThanOrEqual(0.6 * h * w);
    }
    expect(changed).toBeGreaterThan(n / 2);
  });

  it('leave the batch that was given as it was, and the rest of the pictures', () => {
    const before = (x.data as Float32Array).slice();
    const some = mixPatches(x, 0.3, seededRandom(9));
    expect(x.data).toEqual(before);
    const same = Array.from({ length: n }, (_, i) => i).filter((i) =>
      (some.data as Float32Array).subarray(i * size, (i + 1) * size).every((v, at) => v === before[i * size + at]),
    );
    expect(same.length).toBeGreaterThan(n / 2);
    expect(same.length).toBeLessThan(n);
    expect(mixPatches(x, 0.3, seededRandom(9)).data).toEqual(some.data);
  });
});

it('what holds no pictures, and a batch of one, stay as they are', () => {
  const rows: HostTensor = { dtype: 1, dims: [4, 6], data: new Float32Array(24) };
  expect(mixPatches(rows, 1, seededRandom(1))).toBe(rows);
  const one = pictures(1, 3, 4, 4, false);
  expect(mixPatches(one, 1, seededRandom(1))).toBe(one);
});
