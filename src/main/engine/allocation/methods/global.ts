import type { AllocationMethod } from './contract.ts';
import { keepBest, openByScores } from './support/by-scores.ts';

/** One ranking of all units. Scores of different layers are made comparable by their mean. */
export const method: AllocationMethod = {
  name: 'global',
  summary: 'One ranking of all units; a baseline',
  cost: null,
  open: (ctx) =>
    openByScores(ctx, (groups, share) =>
      keepBest(groups, share, (g) => {
        const s = Array.from(ctx.scores.get(g.id)!);
        const mean = s.reduce((a, b) => a + b, 0) / s.length || 1;
        return s.map((x) => x / mean);
      }),
    ),
};
