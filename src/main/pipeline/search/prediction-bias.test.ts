import { expect, it } from 'vitest';
import { PRESETS } from '../../../shared/model/recipes.ts';
import { predictionBias } from './prediction-bias.ts';

it('what plans were off by is known for the nearest budget of the same model under the same conditions', () => {
  const memos = new Map<string, Map<string, number>>();
  const memo = (name: string, key: unknown) => {
    const id = JSON.stringify([name, key]);
    const figures = memos.get(id) ?? new Map<string, number>();
    memos.set(id, figures);
    return { get: (k: string) => figures.get(k), put: (k: string, v: number) => void figures.set(k, v) };
  };
  const budget = { percentile: 50, threads: 1, provider: 'cpu', batch: 1 } as const;
  const of = (budgetRatio: number, more: { sha256?: string; threads?: number } = {}) => {
    const { sha256 = 'a', threads = 1 } = more;
    return predictionBias({ sha256, budget: { ...budget, threads }, recipe: PRESETS.fast, budgetRatio }, { memo });
  };
  expect(of(0.5).known).toBe(1);
  of(0.75).keep(1.1);
  of(0.3).keep(1.4);
  expect(of(0.75).known).toBe(1.1);
  expect(of(0.6).known).toBe(1.1);
  expect(of(0.5).known).toBe(1.4);
  expect(of(0.05).known).toBe(1.4);
  expect(of(0.6, { threads: 2 }).known).toBe(1);
  expect(of(0.6, { sha256: 'b' }).known).toBe(1);
});
