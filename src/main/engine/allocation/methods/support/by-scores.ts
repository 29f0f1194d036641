/**
 * Allocation without measured outputs: a rule gives the units that each structure keeps when a given share of all units
 * is removed.
 */
import type { Structure } from '../../../structures/contract.ts';
import { applyMove, predictMs, type State } from '../../state.ts';
import type { AllocationContext, Allocator } from '../contract.ts';

/** Units that each structure keeps, not rounded, when `share` (0 to 1) of all units is removed. */
export type Shrink = (groups: readonly Structure[], share: number) => ReadonlyMap<string, number>;

/** Number of bisections of the share: finer than any step of a structure. */
const STEPS = 24;

/** The plan whose predicted latency is closest to the goal from below, by bisection over the removed share. */
export function openByScores({ space, start }: AllocationContext, shrink: Shrink): Allocator {
  // A single unit is all or nothing, which scores cannot decide.
  const structures = space.structures.filter((s) => s.units > 1 && space.levels.has(s.id) && !start.has(s.id));
  const at = (share: number): State => {
    let s = start;
    for (const [structure, want] of shrink(structures, share)) {
      const levels = space.levels.get(structure)!;
      // The nearest offered level, which is never below the floor because the floor is the smallest of them.
      const to = levels.reduce((a, b) => (Math.abs(b - want) < Math.abs(a - want) ? b : a));
      s = applyMove(s, { structure, to });
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

/**
 * Keeps the best units of all structures in one ranking.
 * @param scores of one structure, comparable between structures
 */
export function keepBest(
  structures: readonly Structure[],
  share: number,
  scores: (s: Structure) => ArrayLike<number>,
): Map<string, number> {
  const all: { id: string; score: number }[] = [];
  for (const s of structures) for (const score of Array.from(scores(s))) all.push({ id: s.id, score });
  all.sort((a, b) => b.score - a.score);
  const keep = new Map(structures.map((s) => [s.id, 0]));
  for (const { id } of all.slice(0, Math.round(all.length * (1 - share)))) keep.set(id, keep.get(id)! + 1);
  return keep;
}
