import { expect, it } from 'vitest';
import { sampleIndices, splitIndices } from './split.ts';

it('splits every class in proportion, without overlap', () => {
  const labels = Array.from({ length: 100 }, (_, i) => (i < 80 ? 0 : i < 95 ? 1 : 2));
  const { train, holdout } = splitIndices(100, { holdout: 0.2, seed: 5, labels });
  expect([...train, ...holdout].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  const count = (k: number): number => holdout.filter((i) => labels[i] === k).length;
  expect([count(0), count(1), count(2)]).toEqual([16, 3, 1]);
  expect(splitIndices(100, { holdout: 0.2, seed: 5, labels }).holdout).toEqual(holdout);
  expect(splitIndices(100, { holdout: 0.2, seed: 6, labels }).holdout).not.toEqual(holdout);
});

it('takes counts, leaves both sides something, and copes with little', () => {
  expect(splitIndices(10, { holdout: 4, seed: 1 }).holdout).toHaveLength(4);
  expect(splitIndices(3, { holdout: 0.01, seed: 1 }).holdout).toHaveLength(1);
  expect(splitIndices(3, { holdout: 99, seed: 1 }).train).toHaveLength(1);
  expect(splitIndices(3, { holdout: 0, seed: 1 }).train).toHaveLength(3);
  expect(splitIndices(0, { holdout: 0.5, seed: 1 })).toEqual({ train: [], holdout: [] });
});

it('samples as many classes as it can', () => {
  const labels = Array.from({ length: 60 }, (_, i) => i % 20);
  const got = sampleIndices(60, 20, { seed: 1, labels });
  expect(new Set(got.map((i) => labels[i])).size).toBe(20);
  expect(sampleIndices(5, 9, { seed: 1 })).toEqual([0, 1, 2, 3, 4]);
});
