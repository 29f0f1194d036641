/** Allocation without a measurement of the outputs: a rule says what each group keeps when a share of everything goes. */
import type { Group } from '../../../structures/axes/types.ts';
import { applyMove, predictMs, type State } from '../../state.ts';
import type { AllocationContext, Allocator } from '../contract.ts';

/** Units that each group keeps, not rounded, when `share` (0 to 1) of everything goes. */
export type Shrink = (groups: readonly Group[], share: number) => ReadonlyMap<string, number>;

/** Halvings of the share: finer than any step of a group. */
const STEPS = 24;

/** The plan whose predicted latency is closest to the goal from below, by bisection over the share that goes. */
export function openByScores({ space, start }: AllocationContext, shrink: Shrink): Allocator {
  const groups = space.groups.filter((g) => space.counts.has(g.id) && !start.keep.has(g.id));
  const at = (share: number): State => {
    let s = start;
    for (const [group, want] of shrink(groups, share)) {
      const counts = space.counts.get(group)!;
      // The nearest count that is offered: never below the floor, which is the smallest of them.
      const to = counts.reduce((a, b) => (Math.abs(b - want) < Math.abs(a - want) ? b : a));
      s = applyMove(s, { kind: 'narrow', group, to });
    }
    return s;
  };
  const reach = (ms: number): Promise<State> => {
    let [low, high] = [0, 1];
    for (let i = 0; i < STEPS; i++) {
      const middle = (low + high) / 2;
      if (predictMs(space, at(middle)) <= ms) high = middle;
      else low = middle;
    }
    return Promise.resolve(at(high));
  };
  return { reach, fill: reach };
}

/** Keeps the best units of all groups in one ranking. @param scores of one group, comparable between groups */
export function keepBest(
  groups: readonly Group[],
  share: number,
  scores: (g: Group) => ArrayLike<number>,
): Map<string, number> {
  const all: { group: string; score: number }[] = [];
  for (const g of groups) for (const score of Array.from(scores(g))) all.push({ group: g.id, score });
  all.sort((a, b) => b.score - a.score);
  const keep = new Map(groups.map((g) => [g.id, 0]));
  for (const { group } of all.slice(0, Math.round(all.length * (1 - share)))) keep.set(group, keep.get(group)! + 1);
  return keep;
}
