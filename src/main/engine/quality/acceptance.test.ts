import { expect, it } from 'vitest';
import { acceptance } from './acceptance.ts';

it('says that budget and floor contradict each other only where they do', () => {
  const told = (ms: number): string =>
    acceptance({
      original: null,
      result: null,
      floor: undefined,
      met: true,
      meanings: new Map(),
      kept: { ms, ratio: ms / 10, quality: { samples: 100, snrDb: null } },
      budgetMs: 8,
    }).reasons.join(' ');
  expect(told(9)).toMatch(/contradict each other: .* takes 9\.00 ms \(0\.90x\), and the budget is 8\.00 ms/);
  expect(told(7.9)).not.toContain('contradict');
  expect(told(7.9)).toMatch(/Another cut may meet both: .* 7\.90 ms/);
});
