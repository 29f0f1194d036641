// Tests the number of sessions that share a batch: one per thread, as long as each has enough work.
import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { residualChain } from '../../../../test/support/residual-chain.ts';
import { modelCosts } from '../../engine/ir/costs.ts';
import { collectFacts } from '../../runtime/facts.ts';
import { sharesWorth, type Sharing } from './batch-shares.ts';

const model = residualChain({ blocks: 1, width: 8 });
const facts = await collectFacts(model, plainExecutor);
const { macs } = modelCosts(model, facts);
const shares = (batch: number, threads: number, least: Sharing['least'] = 0): number =>
  sharesWorth({ batch, threads, original: { model, facts }, pruned: { model, facts }, least });

describe('sessions that share a batch', () => {
  it('are as many as threads, with 16 samples or more each, and the same number', () => {
    expect([shares(64, 2), shares(64, 16), shares(24, 2), shares(64, 1)]).toEqual([2, 4, 1, 1]);
    expect([shares(81, 4), shares(83, 4)]).toEqual([3, 1]);
  });

  it('are as few as have enough to do each: a pass of the original, three of the pruned model', () => {
    const sample = 4 * macs;
    expect(macs).toBeGreaterThan(0);
    expect([shares(64, 4, 16 * sample), shares(64, 4, 17 * sample), shares(64, 4, 33 * sample)]).toEqual([4, 2, 1]);
    expect(sharesWorth({ batch: 64, threads: 4, original: { model, facts }, pruned: { model, facts } })).toBe(1);
  });
});
