import { expect, it } from 'vitest';
import { tokenSentences } from './token-words.ts';

const schedule = { method: 'tome', seed: 1, steps: [{ place: 'a', keep: 9 }, { place: 'b', keep: 4 }] }; // prettier-ignore

it('names the method, and the other ways where there were any', () => {
  const tried = { way: 'tokens', schedule, tokensRatio: 0.6, change: 0.1234 } as const;
  const whole = { way: 'other structures', schedule: null, tokensRatio: 1, change: null } as const;
  expect(tokenSentences({ before: 17, left: 5, schedule, tried: [tried] })).toEqual([
    'Tokens: tome keeps 5 of 17, in 2 steps.',
  ]);
  expect(tokenSentences({ before: 17, left: 17, schedule: null, tried: [whole, tried] })).toEqual([
    'Tokens: all 17 stay.',
    'Compared for this budget: other structures: cannot meet the budget; tokens (tome): change of the outputs 0.12.',
  ]);
});
