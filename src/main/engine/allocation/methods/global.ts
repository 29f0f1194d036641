import type { AllocationMethod } from './contract.ts';
import { keepBest, openByScores } from './support/by-scores.ts';

/** One ranking of all units. Scores of different layers are made comparable by dividing by their mean. */
export const method: AllocationMethod = {
  name: 'global',
  summary: 'One ranking of all units; a baseline',
  cost: null,
  open: (ctx) =>
    openByScores(ctx, (structures, share) =>
      keepBest(structures, share, ({ id }) => {
        const scores = Array.from(ctx.scores.get(id)!);
        const mean = scores.reduce((a, b) => a + b, 0) / scores.length || 1;
        return scores.map((x) => x / mean);
      }),
    ),
};
