import { describe, expect, it } from 'vitest';
import type { CompressReport, WorkloadResult } from '../../shared/model/job.ts';
import type { Metric, PhaseTime } from '../../shared/model/package.ts';
import { latencyReason } from '../engine/latency/verdict.ts';
import { judged, shareOf } from './compress-component.ts';

const phase = (name: string, component: string, repeat: number, p50Ms: number, p95Ms = 2 * p50Ms) =>
  ({ name, component, repeat, dims: {}, latency: { p50Ms, p95Ms } }) as unknown as PhaseTime;
const phases = [phase('vision', 'tower', 1, 10), phase('prefill', 'decoder', 1, 20), phase('decode', 'decoder', 5, 2)];
const total: Metric = { name: 'total', about: '', weights: { vision: 1, prefill: 1, decode: 5 } };
const first: Metric = { name: 'first-token', about: '', weights: { vision: 1, prefill: 1 } };

describe("a component's share of a budget on the whole use", () => {
  const share = (component: string, metric: Metric, budget: { ms?: number; ratio?: number }) =>
    shareOf(phases, metric, component, { percentile: 50, ...budget });

  it('is what the other components leave', () => {
    // 40 ms in all, 32 are allowed, the decoder takes 30: the tower has 2 of its 10.
    expect(share('tower', total, { ratio: 0.8 }).ratio).toBeCloseTo(0.2);
    expect(share('decoder', total, { ms: 25 }).ratio).toBeCloseTo(0.5);
    expect(share('decoder', first, { ratio: 0.8 }).ratio).toBeCloseTo((24 - 10) / 20);
    expect(share('tower', total, { ms: 100 }).ratio).toBe(1);
  });

  it('is steered at the phase that takes the most of it', () => {
    expect(share('decoder', total, { ratio: 0.9 }).main.name).toBe('prefill');
    const long = phases.map((p) => (p.name === 'decode' ? { ...p, latency: { ...p.latency, p50Ms: 9 } } : p));
    expect(shareOf(long, total, 'decoder', { ratio: 0.9, percentile: 50 }).main.name).toBe('decode');
  });

  it('is counted at the percentile of the budget', () => {
    const uneven = [phase('vision', 'tower', 1, 10, 10), ...phases.slice(1)];
    expect(shareOf(uneven, total, 'tower', { ms: 66, percentile: 95 }).ratio).toBeCloseTo(0.6);
  });

  it('is refused where there is none', () => {
    expect(() => share('tower', total, { ratio: 0.7 })).toThrow(/the other components alone take 30.00 ms/);
    expect(() => share('tower', { ...total, weights: { decode: 1 } }, { ratio: 0.5 })).toThrow(/no part in total/);
  });
});

describe('the verdict on a use', () => {
  const workload = (low: number, high: number, verdict: 'met' | 'missed' | 'too-close') =>
    ({ latency: { low, high, verdict } }) as unknown as WorkloadResult;
  const report = (latency: 'met' | 'too-close', reasons: string[]) =>
    ({ latency: { verdict: latency, low: 0.98, high: 1.01 }, reasons, accepted: false, met: false }) as unknown as CompressReport; // prettier-ignore
  const close = latencyReason({ verdict: 'too-close', low: 0.98, high: 1.01 })!;

  it('takes the place of that on the component', () => {
    expect(judged(report('too-close', [close]), workload(0.9, 0.95, 'met'))).toMatchObject({
      accepted: true,
      met: true,
      reasons: [],
    });
    const missed = judged(report('met', []), workload(1.02, 1.05, 'missed'));
    expect(missed).toMatchObject({ accepted: false, met: false });
    expect(missed.reasons).toEqual(['The budget is missed: the result takes 102.0 % to 105.0 % of it.']);
  });

  it('keeps what is wrong with the quality', () => {
    expect(judged(report('met', ['Top-1 fell.']), workload(0.9, 0.95, 'met'))).toMatchObject({
      accepted: false,
      met: true,
      reasons: ['Top-1 fell.'],
    });
  });
});
