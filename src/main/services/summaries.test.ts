import { describe, expect, it } from 'vitest';
import type { CompressReport, Quality } from '../../shared/model/job.ts';
import type { JobRecord } from '../../shared/model/job-record.ts';
import { judgementOf } from '../../renderer/state/verdict.ts';
import { qualityLine } from '../../renderer/state/quality-line.ts';
import { summaryOf } from './summaries.ts';

const measure = (p50Ms: number, quality: Partial<Quality> | null) => ({
  p50Ms,
  quality: quality && { samples: 200, snrDb: 3, ...quality },
});
const record = (more: Partial<JobRecord>, report: Partial<CompressReport> = {}): JobRecord =>
  ({
    id: '1',
    kind: 'compress',
    status: 'done',
    request: { model: '/a/m.onnx', budget: { ratio: 0.7 }, recipe: { name: 'fast', keep: { conv1: 0.5 } } },
    result: {
      met: true,
      bundle: '/b',
      baseline: measure(4, { top1: 0.74 }),
      result: measure(2.8, { top1: 0.14, agreement: 0.2 }),
      ...report,
    },
    progress: null,
    error: null,
    ...more,
  }) as JobRecord;

/** Verdict of a finished job in a list row. */
const verdict = (report: Partial<CompressReport>): string =>
  judgementOf(summaryOf(record({}, report)).outcome!).verdict;

describe('the summary of a job', () => {
  it('holds what tells jobs of one model apart', () => {
    expect(summaryOf(record({}))).toMatchObject({ budget: '0.7x', recipe: 'fast', widths: 1, passed: null });
    const other = record({ request: { model: 'm', budget: { ms: 3 }, recipe: { name: 'best', keep: {} } } });
    expect(summaryOf(other)).toMatchObject({ budget: '3 ms', recipe: 'best', widths: 0 });
  });

  it('is judged as the whole report is', () => {
    const latency = (v: 'met' | 'missed' | 'too-close') => ({ verdict: v, low: 0.9, high: 1.1 });
    expect(verdict({ accepted: true, reasons: [], latency: latency('met') })).toBe('accepted');
    expect(verdict({ accepted: false, reasons: ['Top-1 fell.'], latency: latency('met') })).toBe('ruined');
    expect(verdict({ accepted: false, reasons: ['It is close.'], latency: latency('too-close') })).toBe('close');
    expect(verdict({ accepted: false, reasons: ['It is slow.'], latency: latency('missed') })).toBe('missed');
    expect(verdict({ met: false, unreachable: { reason: 'far', bestMs: 3, holds: [] } })).toBe('unreachable');
    expect(verdict({})).toBe('unjudged');
  });

  it('says of a verification whether its checks passed', () => {
    const request = { bundle: '/b' };
    const of = (ok: boolean) => summaryOf(record({ kind: 'verify', request, result: { ok, checks: [] } }));
    expect([of(true).passed, of(false).passed]).toEqual([true, false]);
    expect(of(true)).toMatchObject({ model: '/b', budget: '', recipe: null, outcome: null });
    expect(summaryOf(record({ kind: 'verify', request, status: 'failed', result: null })).passed).toBe(null);
  });
});

describe('the figure of quality in a row', () => {
  const line = (quality: Partial<Quality> | null) =>
    qualityLine({ qualityBefore: { samples: 200, snrDb: null, top1: 0.74 }, quality: measure(1, quality).quality });

  it('is the accuracy where there are labels, with its samples', () => {
    expect(line({ top1: 0.14, agreement: 0.2 })).toEqual({ kind: 'top1', text: '74.0 % → 14.0 %', samples: 200 });
  });

  it('is that of the worst output otherwise', () => {
    const outputs = [
      { name: 'a', reading: 'classes' as const, samples: 90, agreement: 0.99 },
      { name: 'b', reading: 'boxes' as const, samples: 80, agreement: 0 },
      { name: 'c', reading: 'boxes' as const, samples: 0, unjudged: 'no boxes' },
    ];
    expect(line({ agreement: 0.99, outputs })).toEqual({ kind: 'agreement', text: '0.0 %', samples: 80 });
    expect(line({ outputs: [{ name: 'i', reading: 'image', samples: 40, psnrDb: 31.25 }] })).toMatchObject({
      text: '31.3 dB',
    });
  });

  it('is none where nothing was judged', () => {
    expect(line(null)).toBe(null);
    expect(line({ outputs: [{ name: 'c', reading: 'boxes', samples: 0, unjudged: 'no boxes' }] })).toBe(null);
  });
});
