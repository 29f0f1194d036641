import { describe, expect, it } from 'vitest';
import type { Metric, PhaseTime } from '../../../shared/model/package.ts';
import { shareOf, useBefore } from './use.ts';

const phase = (name: string, component: string, repeat: number, p50Ms: number, p95Ms = 2 * p50Ms) =>
  ({ name, component, repeat, dims: {}, latency: { p50Ms, p95Ms } }) as unknown as PhaseTime;
const phases = [phase('vision', 'tower', 1, 10), phase('prefill', 'decoder', 1, 20), phase('decode', 'decoder', 5, 2)];
const total: Metric = { name: 'total', about: '', weights: { vision: 1, prefill: 1, decode: 5 } };
const first: Metric = { name: 'first-token', about: '', weights: { vision: 1, prefill: 1 } };

describe("a component's share of a budget on the whole use", () => {
  const share = (component: string, metric: Metric, budget: { ms?: number; ratio?: number }) =>
    shareOf(phases, metric, component, { percentile: 50, ...budget });

  it('is what the other components leave', () => {
    // The use takes 40 ms, 32 are allowed and the decoder takes 30, so 2 of the tower's 10 remain.
    expect(share('tower', total, { ratio: 0.8 })).toBeCloseTo(0.2);
    expect(share('decoder', total, { ms: 25 })).toBeCloseTo(0.5);
    expect(share('decoder', first, { ratio: 0.8 })).toBeCloseTo((24 - 10) / 20);
    expect(share('tower', total, { ms: 100 })).toBe(1);
  });

  it('is counted at the percentile of the budget', () => {
    const uneven = [phase('vision', 'tower', 1, 10, 10), ...phases.slice(1)];
    expect(shareOf(uneven, total, 'tower', { ms: 66, percentile: 95 })).toBeCloseTo(0.6);
  });

  it('is refused where there is none', () => {
    expect(() => share('tower', total, { ratio: 0.7 })).toThrow(/the other components alone take 30.00 ms/);
    expect(() => share('tower', { ...total, weights: { decode: 1 } }, { ratio: 0.5 })).toThrow(/no part in total/);
  });
});

it('lists what each phase adds to the metric, and what the others take', () => {
  const { use, ownMs } = useBefore(phases, total, { component: 'decoder' });
  expect(use).toMatchObject({ metric: 'total', component: 'decoder', othersMs: 10 });
  expect(use.phases.map((p) => [p.name, p.weight, p.ms])).toEqual([
    ['vision', 1, 10],
    ['prefill', 1, 20],
    ['decode', 5, 10],
  ]);
  expect(ownMs).toBe(30);
  expect(useBefore(phases, first, { component: 'tower' }).use.phases.map((p) => p.name)).toEqual(['vision', 'prefill']);
});
