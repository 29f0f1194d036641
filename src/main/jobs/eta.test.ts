import { describe, expect, it } from 'vitest';
import { EtaEstimator } from './eta.ts';

/** A clock in seconds. */
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

  it('says nothing before it knows anything', () => {
    const c = clock();
    const eta = new EtaEstimator({ a: 1, b: 1 }, false, c.now);
    expect(eta.update('a', 0).etaMs).toBeNull();
    c.at(4);
    expect(eta.update('a', 0.5).etaMs).toBeGreaterThan(4000);
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
