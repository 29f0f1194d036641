import { expect, it } from 'vitest';
import { keyed, memos } from '../../../../test/support/keyed.ts';
import { PRESETS } from '../../../shared/model/recipes.ts';
import { recipeLeaves } from '../leaves.ts';
import type { Prepared } from '../prepare/prepare.ts';
import { predictionBias } from './prediction-bias.ts';

it('what plans were off by is known for the nearest budget of the same model under the same conditions', () => {
  const { memo } = memos();
  const budget = { percentile: 50, threads: 1, provider: 'cpu', batch: 1 } as const;
  const of = (budgetRatio: number, more: { model?: string; threads?: number; name?: string } = {}) => {
    const { model = 'a', threads = 1, name = 'fast' } = more;
    const prepared = keyed({} as Prepared, model);
    const recipe = recipeLeaves({ ...PRESETS.fast, name });
    return predictionBias({ prepared, budget: { ...budget, threads }, recipe, budgetRatio }, { memo });
  };
  expect(of(0.5).known).toBe(1);
  of(0.75).keep(1.1);
  of(0.3).keep(1.4);
  expect(of(0.75).known).toBe(1.1);
  expect(of(0.6).known).toBe(1.1);
  expect(of(0.5).known).toBe(1.4);
  expect(of(0.05).known).toBe(1.4);
  expect(of(0.6, { threads: 2 }).known).toBe(1);
  expect(of(0.6, { model: 'b' }).known).toBe(1);
  expect(of(0.6, { name: 'mine' }).known).toBe(1.1);
});
