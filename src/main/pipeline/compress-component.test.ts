import { describe, expect, it } from 'vitest';
import type { CompressReport, WorkloadResult } from '../../shared/model/job.ts';
import { latencyReason } from '../engine/latency/verdict.ts';
import { judged } from './compress-component.ts';

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
