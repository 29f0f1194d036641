import { expect, test } from 'vitest';
import { labelSide, shareDomain } from './domain.ts';

test('every figure lies within the domain, those slower than the original as well', () => {
  for (const figures of [[0.5, 0.6, 1.3], [0.7], [1, 1], [0, 0], [2, 0.1]]) {
    const [left, right] = shareDomain(figures);
    for (const x of figures) expect(x >= left && x <= right).toBe(true);
    expect(left).toBeGreaterThanOrEqual(0);
    expect(right).toBeGreaterThan(Math.max(...figures));
  }
  expect(shareDomain([])).toEqual([0, 1]);
  expect(shareDomain([NaN, Infinity, 0.5])).toEqual(shareDomain([0.5]));
});

test('a label stands where the chart has room for it', () => {
  expect([0.55, 0.9].map((x) => labelSide(x, [0.5, 1]))).toEqual(['right', 'left']);
});
