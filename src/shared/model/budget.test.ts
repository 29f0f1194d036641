import { describe, expect, it } from 'vitest';
import { parseBudget } from './budget.ts';

describe('parseBudget', () => {
  it.each([
    ['12ms', { ms: 12 }],
    [' 0.5 MS ', { ms: 0.5 }],
    ['.25s', { ms: 250 }],
    ['0.5x', { ratio: 0.5 }],
    ['.35X', { ratio: 0.35 }],
    ['50%', { ratio: 0.5 }],
  ])('%j', (text, budget) => expect(parseBudget(text)).toEqual(budget));

  it.each([
    ['12', 'unit is missing'],
    ['0.5', 'unit is missing'],
    ['1x', 'below 1'],
    ['150%', 'below 1'],
    ['0ms', 'more than 0'],
    ['-3ms', 'more than 0'],
    ['0,5x', 'as a dot'],
    ['fast', 'not a number'],
    ['', 'not a number'],
    ['1e3ms', 'not a number'],
    ['12ms 13ms', 'not a number'],
  ])('%j is refused: %s', (text, reason) => {
    expect(() => parseBudget(text)).toThrow(
      expect.objectContaining({ code: 'budget-invalid', message: expect.stringContaining(reason) }),
    );
  });
});
