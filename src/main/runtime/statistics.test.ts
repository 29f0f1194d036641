import { describe, expect, test } from 'vitest';
import { operatorInMessage } from './errors.ts';
import { lowMean, median, medianInterval, midMean, quantile } from './statistics.ts';

describe('statistics', () => {
  test('quantiles interpolate', () => {
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
    expect(quantile([1, 2, 3, 4], 1)).toBe(4);
    expect(median([3, 1, 2])).toBe(2);
  });

  test('means of parts are deaf to outliers', () => {
    const x = [1, 1, 1, 1, 1, 1, 1, 1000];
    expect(midMean(x)).toBe(1);
    expect(lowMean(x)).toBe(1);
  });

  test('the interval of the median holds it, and is repeatable', () => {
    const x = Array.from({ length: 40 }, (_, i) => 10 + (i % 7));
    const a = medianInterval(x);
    expect(a.low).toBeLessThanOrEqual(median(x));
    expect(a.high).toBeGreaterThanOrEqual(median(x));
    expect(medianInterval(x)).toEqual(a);
  });
});

describe('runtime messages', () => {
  test.each([
    ["Non-zero status code returned while running Reshape node. Name:'/r' Status Message: x", 'Reshape', '/r'],
    ["Could not find an implementation for Foo(17) node with name 'f1'", 'Foo', 'f1'],
    ['Fatal error: com.acme:Bar(-1) is not a registered function/op', 'Bar', ''],
    ['Node (c1) Op (Conv) [ShapeInferenceError] bad', 'Conv', 'c1'],
    ['something else', '', ''],
  ])('%s', (message, operator, node) => {
    expect(operatorInMessage(message)).toEqual({ operator, node });
  });
});
