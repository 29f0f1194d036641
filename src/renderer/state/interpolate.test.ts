import { expect, it } from 'vitest';
import { msAt } from './interpolate.ts';

const points = [
  { tokens: 2, ms: 10 },
  { tokens: 6, ms: 30 },
  { tokens: 8, ms: 31 },
];

it.each([
  [2, 10],
  [3, 15],
  [6, 30],
  [7, 30.5],
  [8, 31],
  [1, null],
  [9, null],
])('at %i tokens', (tokens, ms) => expect(msAt(points, tokens)).toBe(ms));

it('without points there is none', () => expect(msAt([], 3)).toBeNull());
