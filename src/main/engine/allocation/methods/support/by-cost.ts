/** Allocation by the cost of plans: follows a greedy path to the goal, then uses up the remaining time. */
import { GreedyPath, refill } from '../../greedy.ts';
import type { AllocationContext, Allocator } from '../contract.ts';

/** Maximum number of plans compared to use up the time, where each must be measured. */
const TRIES = 24;

export function openByCost({ space, start, costs, onProgress }: AllocationContext): Allocator {
  const { free, cost, rebase, expired } = costs;
  const path = new GreedyPath(space, start, {
    cost,
    ...(rebase && { rebase }),
    ...(expired && { expired }),
    ...(onProgress && { onProgress }),
  });
  return {
    reach: async (ms) => (await path.reach(ms)).state,
    async fill(ms) {
      const { state, reference } = await path.reach(ms);
      const tries = free ? Infinity : expired?.() ? 0 : TRIES;
      return refill(space, state, ms, reference.cost, reference.from, tries);
    },
  };
}
