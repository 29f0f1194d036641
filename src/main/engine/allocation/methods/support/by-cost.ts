/** Allocation by what plans cost: down a greedy path to the goal, then the time that is left is used up. */
import { GreedyPath, refill } from '../../greedy.ts';
import type { AllocationContext, Allocator } from '../contract.ts';

/** Plans that are compared at most to use up the time, where each has to be measured. */
const TRIES = 24;

export function openByCost({ space, start, costs, onProgress }: AllocationContext): Allocator {
  const { free, ...asked } = costs;
  const path = new GreedyPath(space, start, { ...asked, ...(onProgress && { onProgress }) });
  return {
    reach: async (ms) => (await path.reach(ms)).state,
    async fill(ms) {
      const { state } = await path.reach(ms);
      const tries = free ? Infinity : costs.expired?.() ? 0 : TRIES;
      return refill(space, state, ms, costs.cost, start, tries);
    },
  };
}
