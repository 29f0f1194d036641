import { describe, expect, it } from 'vitest';
import { judgementOf, type Judged } from './verdict.ts';

const latency = (verdict: 'met' | 'missed' | 'too-close') => ({ verdict, low: 0.9, high: 1.1 });
const of = (report: Partial<Judged>): string => judgementOf({ met: true, ...report }).verdict;

describe('the verdict on a result', () => {
  it('is a success only when it was accepted', () => {
    expect(of({ accepted: true, reasons: [], latency: latency('met') })).toBe('accepted');
    expect(of({ accepted: false, reasons: ['Top-1 fell from 74 % to 14 %.'], latency: latency('met') })).toBe('ruined');
    expect(of({})).toBe('unjudged');
  });

  it('says what is wrong first', () => {
    expect(of({ met: false })).toBe('missed');
    expect(of({ met: false, accepted: false, reasons: ['It takes 1.2 of the budget.'], latency: latency('missed') })).toBe('missed'); // prettier-ignore
    expect(of({ accepted: false, reasons: ['The interval holds the budget.'], latency: latency('too-close') })).toBe('close'); // prettier-ignore
    expect(of({ accepted: false, reasons: ['ruined', 'close'], latency: latency('too-close') })).toBe('ruined');
    expect(of({ accepted: false, reasons: ['ruined', 'slow'], latency: latency('missed') })).toBe('ruined');
  });

  it('of a budget that cannot be reached gives the reason as a sentence', () => {
    const unreachable = { reason: 'the largest cut still takes 80 %', bestMs: 3, holds: [] };
    expect(judgementOf({ met: false, unreachable })).toEqual({
      verdict: 'unreachable',
      reasons: ['The largest cut still takes 80 %.'],
    });
  });
});
