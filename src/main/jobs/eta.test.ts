import { describe, expect, it } from 'vitest';
import { EtaEstimator } from './eta.ts';

/** A test clock in seconds. */
function clock(): { now: () => number; at: (s: number) => void } {
  let t = 0;
  return { now: () => t * 1000, at: (s) => (t = s) };
}

describe('EtaEstimator', () => {
  it('weighs stages by what they took last time', () => {
    const c = clock();
    const eta = new EtaEstimator({ a: 10, b: 30 }, true, c.now);
    expect(eta.update('a', 0)).toEqual({ fraction: 0, etaMs: 40_000 });
    c.at(5);
    expect(eta.update('a', 0.5)).toEqual({ fraction: 0.125, etaMs: 35_000 });
  });

  it('learns that this run is twice as slow', () => {
    const c = clock();
    const eta = new EtaEstimator({ a: 10, b: 30 }, true, c.now);
    eta.update('a', 0);
    c.at(20);
    expect(eta.update('b', 0).etaMs).toBe(60_000);
    expect(eta.seconds()).toEqual({ a: 20, b: 0 });
  });

  it('takes a time limit as it is, on a slow machine too', () => {
    const c = clock();
    const eta = new EtaEstimator({ a: 10, b: 100, c: 1 }, true, c.now, ['b']);
    expect(eta.update('a', 0).etaMs).toBe(111_000);
    // Five times as slow: 100 s, and 5 s for the last stage.
    c.at(50);
    const left = eta.update('b', 0).etaMs!;
    expect(left).toBeGreaterThan(60_000);
    expect(left).toBeLessThanOrEqual(105_000);
  });

  it('says nothing before it knows anything', () => {
    const c = clock();
    const eta = new EtaEstimator({ a: 1, b: 1 }, false, c.now);
    expect(eta.update('a', 0).etaMs).toBeNull();
    c.at(4);
    expect(eta.update('a', 0.5).etaMs).toBeGreaterThan(4000);
  });

  /**
   * Returns the reported times of one stage that takes `seconds`, polled once a second, while its
   * apparent pace is `pace(t)` times the real one.
   */
  function told(expected: number, seconds: number, pace: (t: number) => number): number[] {
    const c = clock();
    const eta = new EtaEstimator({ a: expected }, true, c.now);
    return Array.from({ length: seconds }, (_, t) => {
      c.at(t);
      return eta.update('a', Math.min(1, (t / seconds) * pace(t))).etaMs! / 1000;
    });
  }
  const grows = (all: readonly number[]): number => all.filter((x, i) => i > 0 && x > all[i - 1]! + 0.01).length;

  it('shrinks steadily while the pace wavers, and ends near zero', () => {
    const all = told(100, 100, (t) => 1 + 0.3 * Math.sin(t));
    expect(grows(all)).toBe(0);
    expect(all.at(-1)).toBeLessThan(3);
    for (const [t, left] of all.entries()) expect(Math.abs(left - (100 - t))).toBeLessThan(35);
  });

  it('does not hold on to an estimate that is plainly too low: it says so once, then shrinks', () => {
    const all = told(20, 400, () => 1);
    expect(grows(all)).toBeLessThanOrEqual(2);
    expect(all[60]).toBeGreaterThan(300);
    expect(all.at(-1)).toBeLessThan(5);
  });

  it('knows which stages were gone through, also when one comes again', () => {
    const eta = new EtaEstimator({ a: 1, b: 1, c: 1 }, true, () => 0);
    for (const stage of ['a', 'b', 'a']) eta.update(stage, 0);
    expect(eta.finished()).toEqual(['a', 'b']);
  });

  it('never goes back: repeated stages, unknown stages, numbers out of range', () => {
    const eta = new EtaEstimator({ a: 1, b: 1 }, true, () => 0);
    let last = 0;
    for (const [stage, done] of [
      ['b', 0.5],
      ['a', 0.1],
      ['new', 0],
      ['new', Number.NaN],
      ['new', 7],
    ] as const) {
      const { fraction } = eta.update(stage, done);
      expect(fraction).toBeGreaterThanOrEqual(last);
      expect(fraction).toBeLessThanOrEqual(1);
      last = fraction;
    }
    expect(last).toBe(1);
  });
});
