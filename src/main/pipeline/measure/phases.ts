/** Measures several phases of one component interleaved, as one pair of models. */
import type { Metric, Workload } from '../../../shared/model/package.ts';
import { sumStats, type TimedPhase } from '../../engine/latency/phases.ts';
import type { CandidateResult } from '../../runtime/bench.ts';
import { phasesLeaf } from '../leaves.ts';
import type { Prepared } from '../prepare/prepare.ts';
import { derived, input, type Keyed } from '../stage.ts';

/** The phases of a component with a weight in a metric. */
export function timedPhases({ phases }: Workload, { weights }: Metric, component: string): TimedPhase[] {
  const own = phases.filter((p) => p.component === component && (weights[p.name] ?? 0) > 0);
  const runs = own.reduce((sum, p) => sum + weights[p.name]!, 0);
  return own.map(({ name, dims }) => ({ name, dims, weight: weights[name]! / runs }));
}

/** The prepared model with its timed phases: figures of other phases have other keys. */
const timedOver = derived({
  name: 'phases',
  version: 1,
  inputs: { prepared: input<Prepared>(), phases: input<readonly TimedPhase[]>() },
  run: ({ prepared, phases }): Prepared => ({ ...prepared, phases }),
});

/** @param phases none: the model at the sizes at which it was prepared */
export async function withPhases(
  prepared: Keyed<Prepared>,
  phases: readonly TimedPhase[] | undefined,
): Promise<Keyed<Prepared>> {
  return phases ? timedOver.run({ prepared, phases: phasesLeaf(phases) }, {}) : prepared;
}

/** Repeats a model once per phase. @param phases none: once, at the sizes of the measurement */
export const perPhase = <T extends object>(
  candidate: T,
  phases: readonly TimedPhase[] | undefined,
): (T & { readonly dims?: TimedPhase['dims'] })[] =>
  phases ? phases.map(({ dims }) => ({ ...candidate, dims })) : [candidate];

/**
 * Combines the results of two models in every phase into those of two models: sums over the phases,
 * and the quotient of the sums. The results of other candidates follow unchanged.
 * @param results results of the original's phases, then of the other model's, then of others
 */
export function foldPhases(
  results: readonly CandidateResult[],
  phases: readonly TimedPhase[] | undefined,
): readonly CandidateResult[] {
  if (!phases || phases.length === 1) return results;
  const weights = phases.map((p) => p.weight);
  const count = phases.length;
  // All ratios refer to the first candidate, over neighbouring blocks.
  const share = (list: readonly CandidateResult[]): number =>
    list.reduce((sum, r, i) => sum + weights[i]! * r.ratio.value, 0);
  const [original, other] = [results.slice(0, count), results.slice(count, 2 * count)];
  const value = share(other) / share(original);
  const fold = (list: readonly CandidateResult[], ratio: number): CandidateResult => ({
    ...list[0]!,
    stats: sumStats(
      list.map((r) => r.stats),
      weights,
    ),
    // The interval of a quotient of sums is not known here; callers judge by several openings.
    ratio: { value: ratio, low: ratio, high: ratio },
    gain: 1 - ratio,
  });
  return [fold(original, 1), fold(other, value), ...results.slice(2 * count)];
}
