// Using up what a plan leaves of the budget, on a machine that takes what is predicted, or a part of it.
import { describe, expect, it } from 'vitest';
import { chainSpace, standIns } from '../../../../test/support/chain-space.ts';
import { prepare } from '../../../../test/support/prune.ts';
import { residualChain } from '../../../../test/support/residual-chain.ts';
import { widened } from '../../engine/allocation/greedy.ts';
import { predictMs, WHOLE, type State } from '../../engine/allocation/state.ts';
import { widenWithin } from './widen-plan.ts';
import { contains } from '../../engine/allocation/fit-budget.ts';

const BUDGET = 0.7;
const p = await prepare(residualChain({ blocks: 4, width: 16 }));
const space = chainSpace(p);
const wholeMs = predictMs(space, WHOLE);
const start: State = { keep: new Map([0, 1, 2, 3].map((i) => [`a${i}`, 5])), dropped: new Set() };

/** @param truth measured ratio, @param slow plans that are known to be too slow */
async function fill(truth: (s: State) => number, slow: readonly State[] = []) {
  const { cut, planOf } = standIns(p.model);
  const looked: { state: State; share: number }[] = [];
  const first = { state: start, predictedMs: predictMs(space, start), ratio: truth(start) };
  const best = await widenWithin(first, {
    budgetRatio: BUDGET,
    space,
    slow,
    wider: async (s, ms) => widened(space, s, WHOLE, ms),
    cut,
    measure: async (m) => truth(planOf(m)),
    onCandidate: (c) => looked.push({ state: c.state, share: c.ratio / BUDGET }),
  });
  return { first, best, looked, share: best.ratio / BUDGET };
}

// The start takes nine tenths of the budget.
const scale = (0.9 * BUDGET) / (predictMs(space, start) / wholeMs);
const as = (s: State): number => (scale * predictMs(space, s)) / wholeMs;

describe('filling the budget', () => {
  it('keeps all of the plan and more, up to the band', async () => {
    const { best, share } = await fill(as);
    expect(contains(best.state, start)).toBe(true);
    expect(share).toBeGreaterThan(0.93);
    expect(share).toBeLessThanOrEqual(0.968);
  });

  it('leaves a plan that uses what it may', async () => {
    const { best, first, looked } = await fill((s) => (0.965 / 0.9) * as(s));
    expect(looked).toEqual([]);
    expect(best).toBe(first);
  });

  it('takes none that is over the band, looks at none that keeps all of such a one, and ends after four', async () => {
    const { best, first, looked } = await fill((s) => (s === start ? as(s) : 1.2 * as(s)));
    expect(best).toBe(first);
    expect(looked.length).toBeGreaterThan(1);
    expect(looked.length).toBeLessThanOrEqual(4);
    for (const [i, a] of looked.entries())
      for (const b of looked.slice(0, i)) expect(contains(a.state, b.state)).toBe(false);
  });

  it('looks at none that keeps all of a plan which was too slow before', async () => {
    const [a] = (await fill(as)).looked;
    const { looked } = await fill(as, [a!.state]);
    expect(looked.length).toBeGreaterThan(0);
    for (const l of looked) expect(contains(l.state, a!.state)).toBe(false);
  });
});
