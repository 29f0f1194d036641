/** Verdicts on given figures. */
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../random.ts';
import { latencyReason, latencyVerdict, meanInterval, planFinal, runsPerOpening } from './verdict.ts';

describe('the verdict on a latency', () => {
  it.each([
    ['met', [0.95, 0.97, 0.96, 0.94, 0.96, 0.97]],
    ['missed', [1.05, 1.07, 1.06, 1.04, 1.06, 1.07]],
    ['too-close', [0.95, 1.03, 0.97, 1.02, 0.98, 1.01]],
    // The best of several openings, and their mean, would be within the budget.
    ['too-close', [0.9, 1.05, 0.98, 1.06, 0.92, 1.03]],
    // One opening says nothing about the next.
    ['too-close', [0.5]],
  ] as const)('%s: %j', (verdict, shares) => {
    const v = latencyVerdict(shares);
    expect(v.verdict).toBe(verdict);
    expect(v.low).toBeLessThanOrEqual(v.high);
    expect(latencyReason(v) === null).toBe(verdict === 'met');
  });

  it('is in nobody’s favour where a figure is no number', () => {
    expect(latencyVerdict([0.5, NaN, 0.5]).verdict).toBe('too-close');
  });

  it('has an interval that holds the truth 19 times of 20', () => {
    const random = seededRandom(4);
    let held = 0;
    for (let i = 0; i < 2000; i++) {
      const { low, high } = meanInterval(Array.from({ length: 12 }, () => Math.exp(0.02 * random.normal())));
      if (low <= 1 && high >= 1) held++;
    }
    expect(held / 2000).toBeGreaterThan(0.93);
    expect(held / 2000).toBeLessThan(0.97);
  });
});

it('the length of the last measurement is what its percentile needs, and at least what was asked for', () => {
  expect([50, 90, 95, 99].map((p) => runsPerOpening(p as 50))).toEqual([6, 10, 20, 100]);
  expect(planFinal(5, 50, 1)).toEqual({ openings: 12, runs: 6, raisedFrom: 5 });
  expect(planFinal(100, 50, 1)).toEqual({ openings: 12, runs: 9, raisedFrom: null });
  expect(planFinal(100, 95, 1)).toEqual({ openings: 12, runs: 20, raisedFrom: 100 });
  expect(planFinal(1200, 99, 500)).toEqual({ openings: 6, runs: 200, raisedFrom: null });
});
