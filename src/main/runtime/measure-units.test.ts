/** Times of operators from given traces: a value that is not a positive number is not a time. */
import { describe, expect, it } from 'vitest';
import { kernelUs, scaledTimes } from './measure-units.ts';

describe('times of operators', () => {
  it('are never zero: a kernel that was over within the clock’s tick takes less than it', () => {
    expect(kernelUs([0, 0, 0, 0, 0])).toBe(0.5);
    expect(kernelUs([4, 4, 4, 4, 4])).toBe(4);
    expect(kernelUs([])).toBeNaN();
  });

  it('are relative to the reference of their session, the first of which is kept', () => {
    const reference: { ms?: number } = {};
    expect(scaledTimes([1000, 2000, 500], 2, reference)).toEqual([1, 2]);
    expect(reference.ms).toBe(0.5);
    // The machine now runs at half speed.
    expect(scaledTimes([2000, 1000], 1, reference)).toEqual([1]);
  });

  it('are none where a case or all references were not seen', () => {
    const reference = { ms: 0.5 };
    expect(scaledTimes([NaN, 0, Infinity, 10, NaN, 500], 4, reference)).toEqual([null, null, null, 0.01]);
    expect(scaledTimes([10, 20, NaN, NaN], 2, reference)).toEqual([null, null]);
    const nothing: { ms?: number } = {};
    scaledTimes([10, 0], 1, nothing);
    expect(nothing.ms).toBeUndefined();
    // A value stored by an earlier version.
    expect(scaledTimes([10, 500], 1, { ms: NaN })).toEqual([0.01]);
  });
});
