/**
 * One level per part of a package, so that the package meets a time at the least cost: a multiple-choice knapsack. A
 * package has few parts with few levels, so all combinations are compared. Costs of parts add up; a level changes the time
 * of a phase by a factor, and factors of several parts multiply, because fewer tokens and a smaller decoder both shorten
 * the same runs.
 */

/** A level of one part. */
export interface PartLevel {
  /** Damage of this level alone; 0 where the part stays whole. */
  readonly cost: number;
  /** Time of phases over that of the original, by name; absent: 1. */
  readonly ratios: Readonly<Record<string, number>>;
}

/** A phase that counts in the metric. */
export interface CountedPhase {
  readonly name: string;
  /** Milliseconds in the metric: one run times the runs that count. */
  readonly ms: number;
}

export interface LevelCombination<L extends PartLevel> {
  /** One level per part, in the order of the parts. */
  readonly levels: readonly L[];
  readonly cost: number;
  readonly ms: number;
}

/** Predicted milliseconds of the metric with one level of each part. @internal */
export const combinedMs = (phases: readonly CountedPhase[], levels: readonly PartLevel[]): number =>
  phases.reduce((sum, p) => sum + p.ms * levels.reduce((product, l) => product * (l.ratios[p.name] ?? 1), 1), 0);

/**
 * All combinations within a time, the least cost first, and of equal ones the fastest.
 * @param parts the levels of each part, the whole one among them
 */
export function combinationsWithin<L extends PartLevel>(
  parts: readonly (readonly L[])[],
  phases: readonly CountedPhase[],
  goalMs: number,
): LevelCombination<L>[] {
  let all: L[][] = [[]];
  for (const levels of parts) all = all.flatMap((before) => levels.map((level) => [...before, level]));
  return all
    .map((levels) => ({ levels, cost: levels.reduce((sum, l) => sum + l.cost, 0), ms: combinedMs(phases, levels) }))
    .filter((c) => c.ms <= goalMs)
    .sort((a, b) => a.cost - b.cost || a.ms - b.ms);
}
