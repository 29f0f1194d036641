import { describe, expect, it } from 'vitest';
import type { CompressReport, WorkloadResult } from '../../shared/model/job.ts';
import { latencyReason } from '../engine/latency/verdict.ts';
import { forUse, judged } from './compress-component.ts';

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

it('says what a budget out of reach means for the use', () => {
  const report = {
    reasons: ['The budget cannot be reached.'],
    unreachable: { reason: 'r', bestMs: 3, holds: [] },
    baseline: { p50Ms: 5 },
  } as unknown as CompressReport;
  const before = { use: { othersMs: 10 }, ownMs: 20 } as unknown as Parameters<typeof forUse>[1];
  const part = { package: '/p', component: 'decoder', metric: 'total', settings: {} };
  const told = forUse(report, before, part, { ratio: 0.5 });
  // The component takes 3 / 5 of its 20 ms at best.
  expect(told.unreachable!.use).toEqual({ component: 'decoder', metric: 'total', beforeMs: 30, bestMs: 22, budgetMs: 15 }); // prettier-ignore
  expect(told.reasons![0]).toMatch(/largest cut of decoder, total is about 22\.0 ms, and the budget is 15\.0 ms/);
  const { unreachable: _, ...met } = report;
  expect(forUse(met, before, part, { ratio: 0.5 })).toBe(met);
});
