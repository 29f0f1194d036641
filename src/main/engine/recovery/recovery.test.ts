import { describe, expect, it } from 'vitest';
import type { HostTensor } from '../executor.ts';
import { DType } from '../ir/dtype.ts';
import { seededRandom, type Random } from '../random.ts';
import { applyViews, drawView, type AugmentOptions } from './augment.ts';
import { cosine } from './schedule.ts';

/** Every element has a different value, none is zero. */
const pictures = (dims: number[]): HostTensor => ({
  dtype: DType.FLOAT,
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => i + 1),
});
/** Random views of all samples of a batch. */
const augment = (x: HostTensor, o: AugmentOptions, random: Random): HostTensor =>
  applyViews(
    x,
    Array.from({ length: x.dims[0] ?? 0 }, () => drawView(o, random)),
  );
const NCHW = [6, 3, 8, 10];
const at = (t: HostTensor, n: number, c: number, y: number, x: number): number => {
  const [, C, H, W] = t.dims as number[];
  return y < 0 || x < 0 || y >= H! || x >= W! ? 0 : Number(t.data[((n * C! + c) * H! + y) * W! + x]);
};
const toNhwc = (t: HostTensor): HostTensor => {
  const [n, c, h, w] = t.dims as [number, number, number, number];
  const data = new Float32Array(t.data.length);
  for (let i = 0; i < n; i++)
    for (let k = 0; k < c; k++)
      for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) data[((i * h + y) * w + x) * c + k] = at(t, i, k, y, x);
  return { dtype: t.dtype, dims: [n, h, w, c], data };
};

describe('augmentation', () => {
  it('shifts and mirrors whole pictures, all channels alike, and nothing else', () => {
    const x = pictures(NCHW);
    const seen = new Set<string>();
    const random = seededRandom(3);
    for (let round = 0; round < 12; round++) {
      const y = augment(x, { shift: 0.25, mirror: true }, random);
      expect(y.dims).toEqual(NCHW);
      for (let n = 0; n < 6; n++) {
        const fits: string[] = [];
        for (const flip of [false, true])
          for (let dy = -2; dy <= 2; dy++)
            for (let dx = -3; dx <= 3; dx++) {
              let same = true;
              for (let c = 0; c < 3 && same; c++)
                for (let r = 0; r < 8 && same; r++)
                  for (let k = 0; k < 10 && same; k++)
                    same = at(y, n, c, r, k) === at(x, n, c, r + dy, (flip ? 9 - k : k) + dx);
              if (same) fits.push(`${flip} ${dy} ${dx}`);
            }
        expect(fits).toHaveLength(1);
        seen.add(fits[0]!);
      }
    }
    expect(seen.size).toBeGreaterThan(25);
    expect([...seen].some((s) => s.startsWith('true')) && [...seen].some((s) => s.startsWith('false'))).toBe(true);
  });

  it('mirrors exactly', () => {
    const x = pictures([1, 2, 3, 5]);
    const random = seededRandom(1);
    const all = Array.from({ length: 16 }, () => [...(augment(x, { shift: 0, mirror: true }, random).data as Float32Array)]); // prettier-ignore
    const rows = (data: readonly number[]): number[][] => Array.from({ length: 6 }, (_, r) => data.slice(r * 5, r * 5 + 5)); // prettier-ignore
    const plain = rows([...(x.data as Float32Array)]);
    const mirrored = plain.map((r) => r.toReversed());
    for (const a of all) expect([plain, mirrored]).toContainEqual(rows(a));
    expect(new Set(all.map((a) => a[0])).size).toBe(2);
  });

  it('does the same to both layouts', () => {
    const x = pictures(NCHW);
    const o = { shift: 0.2, mirror: true };
    const channelsLast = augment(toNhwc(x), o, seededRandom(9));
    expect(channelsLast).toEqual(toNhwc(augment(x, o, seededRandom(9))));
  });

  it('is decided by the seed, and leaves the original and other shapes alone', () => {
    const x = pictures(NCHW);
    const copy = Float32Array.from(x.data as Float32Array);
    const o = { shift: 0.125, mirror: true };
    const a = augment(x, o, seededRandom(5));
    expect(augment(x, o, seededRandom(5))).toEqual(a);
    expect(augment(x, o, seededRandom(6))).not.toEqual(a);
    expect(x.data).toEqual(copy);
    expect(augment(x, { shift: 0, mirror: false }, seededRandom(5)).data).toEqual(copy);
    const rows = pictures([4, 12]);
    expect(augment(rows, o, seededRandom(1))).toBe(rows);
    const bytes: HostTensor = { dtype: DType.UINT8, dims: [1, 1, 2, 2], data: Uint8Array.of(1, 2, 3, 4) };
    expect(augment(bytes, o, seededRandom(1))).toBe(bytes);
  });
});

describe('cosine', () => {
  it('rises to the peak, falls to the floor, and never leaves them', () => {
    const at = Array.from({ length: 101 }, (_, i) => cosine(i / 100, 0.5, { warmup: 0.1, floor: 0.02 }));
    const top = at.indexOf(Math.max(...at));
    expect(top).toBe(10);
    expect(at[top]).toBeCloseTo(0.5);
    for (let i = 1; i <= 100; i++) (i <= top ? expect(at[i]).toBeGreaterThan(at[i - 1]!) : expect(at[i]).toBeLessThan(at[i - 1]!)); // prettier-ignore
    expect(at[100]).toBeCloseTo(0.01);
    expect(at[55]).toBeCloseTo((0.5 * 1.02) / 2, 9);
    expect(at[0]).toBeGreaterThan(0);
    // Past the planned end, when the last step started just before it.
    expect(cosine(1.2, 0.5, { floor: 0.02 })).toBeCloseTo(0.01);
  });
});
