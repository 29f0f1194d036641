import type { AllocationMethod } from './contract.ts';
import { openByScores } from './support/by-scores.ts';

/** The same keep ratio everywhere. */
export const method: AllocationMethod = {
  name: 'uniform',
  summary: 'The same share of every group; a baseline',
  cost: null,
  open: (ctx) =>
    openByScores(ctx, (structures, share) => new Map(structures.map((s) => [s.id, s.units * (1 - share)]))),
};
