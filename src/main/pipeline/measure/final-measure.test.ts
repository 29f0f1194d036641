/** Tests the deciding measurement with fixed figures. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { residualChain } from '../../../../test/support/residual-chain.ts';
import type { Budget } from '../../../shared/model/types.ts';
import type { CandidateResult } from '../../runtime/bench.ts';
import { saveModelFile } from '../../storage/model-files.ts';
import { finalMeasure, judgeFinal, remadeFrom } from './final-measure.ts';
import type { MeasureInput } from './measure.ts';

const BUDGET: Budget = { ratio: 0.5, percentile: 50, batch: 1, threads: 1, provider: 'cpu' };
const PLAN = { openings: 6, runs: 9, raisedFrom: null };

const result = (p50Ms: number, p95Ms = 1.1 * p50Ms): CandidateResult => ({
  name: '',
  stats: { p50Ms, p90Ms: p95Ms, p95Ms, p99Ms: p95Ms, meanMs: p50Ms, minMs: p50Ms, stdMs: 0, noiseMs: 0, runs: 9, batch: 1, threads: 1, provider: 'cpu' }, // prettier-ignore
  contention: 0,
  quietMs: p50Ms,
  quietRatio: 1,
  ratio: { value: 1, low: 1, high: 1 },
  gain: 0,
});
/** @param times latencies of the result, one per opening; the original takes 10 */
const openings = (times: readonly number[], p95 = 1.1): CandidateResult[][] =>
  times.map((ms) => [result(10), result(ms, p95 * ms), result(0.1)]);

describe('the verdict on a result', () => {
  it('is of the budget’s share of the original beside it, at the budget’s percentile', () => {
    const met = judgeFinal(openings([4.8, 4.9, 4.85, 4.9, 4.8, 4.85]), BUDGET, PLAN);
    expect([met.latency.verdict, met.budgetMs]).toEqual(['met', 5]);
    expect(met.share).toBeCloseTo(0.97, 9);
    expect([met.yardstickMs, met.yardstickNoiseMs]).toEqual([expect.closeTo(0.1, 9), expect.closeTo(0, 9)]);
    // Fast at the median, but late in one run out of twenty.
    const late = judgeFinal(openings([4.8, 4.9, 4.85, 4.9, 4.8, 4.85], 1.3), { ...BUDGET, percentile: 95 }, PLAN);
    expect(late.latency.verdict).toBe('missed');
    expect(late.budgetMs).toBeCloseTo(5.5, 9);
  });

  it('is neither where the openings leave it open, also when some of them alone would do', () => {
    const close = judgeFinal(openings([4.7, 5.2, 4.8, 5.1, 4.9, 5.05]), BUDGET, PLAN);
    expect(close.latency.verdict).toBe('too-close');
    expect(judgeFinal(openings([4.8, 4.9]), { ...BUDGET, ms: 4 }, PLAN).latency.verdict).not.toBe('met');
  });

  it('says that the recipe asked for too few runs', () => {
    const [note] = judgeFinal(openings([4, 4]), BUDGET, { ...PLAN, raisedFrom: 5 }).notes;
    expect(note).toMatch(/^5 runs are too few .*at least 54/);
  });
});

it.each([
  ['close', 0.985, 1.01, 1.01],
  ['close, and the same as its upper end', 0.999, 1.001, 1.003],
  ['missed', 1.2, 1.22, 1.22],
  ['so uncertain that it says little', 0.98, Infinity, 1.05 * 0.98],
])('takes a result to need the upper end of its interval: %s', (_, share, high, taken) => {
  expect(remadeFrom({ share, latency: { verdict: 'too-close', low: 0.9, high } })).toBeCloseTo(taken, 9);
});

it('measures a set number of times, whatever it sees', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'secateur-final-'));
  try {
    const original = join(folder, 'model.onnx');
    const model = residualChain();
    saveModelFile(model, original);
    for (const ms of [1, 5, 9]) {
      const asked: MeasureInput[] = [];
      const ctx = {
        inSubprocess: (_task: string, input: unknown) => {
          asked.push(input as MeasureInput);
          return Promise.resolve([result(10), result(ms + 0.3 * (asked.length % 2)), result(0.1)]);
        },
        progress: () => undefined,
      };
      await finalMeasure({ original, result: model, budget: BUDGET, dims: { w: 7 }, runs: 100, baselineMs: 10 }, ctx);
      expect(asked).toHaveLength(12);
      expect(asked[0]).toMatchObject({ yardstick: true, options: { runs: 9, dims: { w: 7 }, maxSeconds: Infinity } });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
