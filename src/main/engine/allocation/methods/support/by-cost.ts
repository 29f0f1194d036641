/** Allocation by what plans cost: down a greedy path to the goal, then the time that is left is used up. */
import { plansBetween } from '../../exhaustive.ts';
import { GreedyPath, refill, widened, type Step } from '../../greedy.ts';
import { predictMs, type State } from '../../state.ts';
import type { AllocationContext, Allocator } from '../contract.ts';

/** Plans that are compared at most to use up the time, where each has to be measured. */
const TRIES = 24;
/** Plans that use a smaller share of the time they may are worth another try. */
const NEAR = 0.97;

export function openByCost({ space, start, costs, onProgress }: AllocationContext): Allocator {
  const { cost, rebase, free } = costs;
  const path = new GreedyPath(space, start, { cost, ...(rebase && { rebase }), ...(onProgress && { onProgress }) });
  const filled = ({ state, reference }: Step, ms: number): Promise<State> =>
    refill(space, state, ms, reference.cost, reference.floor, free ? Infinity : TRIES);
  return {
    reach: async (ms) => (await path.reach(ms)).state,
    async fill(ms) {
      const used = (s: State): number => predictMs(space, s) / ms;
      const direct = await filled(await path.reach(ms), ms);
      if (used(direct) >= NEAR) return direct;
      const other = await path.approach(ms);
      const careful = other && (await filled(other, ms));
      const found = careful && used(careful) > used(direct) ? careful : direct;
      if (used(found) >= NEAR) return found;
      // The slowest that there is, and what comes near it.
      const slower = plansBetween(space, start, predictMs(space, found), ms);
      const near = slower.filter((s) => used(s) >= NEAR * used(slower[0]!));
      return (await byCost(near.slice(0, TRIES), cost))[0]?.state ?? found;
    },
    wider: (s, ms) => improving(widened(space, s, start, ms), s, cost),
  };
}

/** Those of the states that cost less than `now`, the best first. @param states the slowest first */
export async function improving(
  states: readonly State[],
  now: State,
  cost: (s: State) => Promise<number>,
): Promise<readonly State[]> {
  if (states.length === 0) return [];
  const limit = await cost(now);
  // The largest steps first: they are the ones that fill what is left.
  const priced = await byCost(states.slice(0, TRIES), cost);
  return priced.filter((p) => p.cost < limit).map(({ state }) => state);
}

/** States with what they cost, the cheapest first. */
async function byCost(
  states: readonly State[],
  cost: (s: State) => Promise<number>,
): Promise<{ readonly state: State; readonly cost: number }[]> {
  const priced: { state: State; cost: number }[] = [];
  for (const state of states) priced.push({ state, cost: await cost(state) });
  return priced.sort((a, b) => a.cost - b.cost);
}
