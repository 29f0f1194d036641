import { expect, it } from 'vitest';
import type { PhaseChange } from '../../../shared/model/job.ts';
import { judgeUse } from './final-use.ts';

const opening = (vision: number, decode: number): PhaseChange[] => [
  { name: 'vision', component: 'tower', weight: 1, beforeMs: 10, afterMs: vision },
  { name: 'decode', component: 'decoder', weight: 5, beforeMs: decode, afterMs: decode },
];

it('adds up the phases of each opening and judges the whole', () => {
  const openings = [opening(6, 20), opening(6.2, 20), opening(6.1, 20)];
  const use = judgeUse(openings, { ratio: 0.9 });
  expect(use.beforeMs).toBe(30);
  expect(use.afterMs).toBeCloseTo(26.1, 9);
  expect(use.budgetMs).toBeCloseTo(27, 9);
  expect(use.latency.verdict).toBe('met');
  expect(use.phases.map((p) => [p.name, p.beforeMs, p.afterMs])).toEqual([
    ['vision', 10, expect.closeTo(6.1, 9)],
    ['decode', 20, 20],
  ]);
  expect(judgeUse(openings, { ms: 25 }).latency.verdict).toBe('missed');
});

it('takes a share of the use as it is in each opening', () => {
  // In the second opening the machine is slower for both.
  const use = judgeUse([opening(6, 20), opening(6, 40)], { ratio: 0.9 });
  expect(use.latency.high).toBeGreaterThan(1);
  expect(use.budgetMs).toBeCloseTo(36, 9);
});
