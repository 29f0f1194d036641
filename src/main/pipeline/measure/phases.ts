/** Several phases of one component, measured side by side, as one pair of models. */
import type { Metric, Workload } from '../../../shared/model/package.ts';
import { sumStats, type TimedPhase } from '../../engine/latency/phases.ts';
import type { CandidateResult } from '../../runtime/bench.ts';
import { phasesLeaf } from '../leaves.ts';
import type { Prepared } from '../prepare/prepare.ts';
import { derived, input, type Keyed } from '../stage.ts';

/** The phases of a component that count in a metric. */
export function timedPhases({ phases }: Workload, { weights }: Metric, component: string): TimedPhase[] {
  const own = phases.filter((p) => p.component === component && (weights[p.name] ?? 0) > 0);
  const runs = own.reduce((sum, p) => sum + weights[p.name]!, 0);
  return own.map(({ name, dims }) => ({ name, dims, weight: weights[name]! / runs }));
}

/** The prepared model with the phases that its latency is the sum of: figures of other phases are others. */
const timedOver = derived({
  name: 'phases',
  version: 1,
  inputs: { prepared: input<Prepared>(), phases: input<readonly TimedPhase[]>() },
  run: ({ prepared, phases }): Prepared => ({ ...prepared, phases }),
});

/** @param phases none: the model at the sizes that it was prepared at */
export async function withPhases(
  prepared: Keyed<Prepared>,
  phases: readonly TimedPhase[] | undefined,
): Promise<Keyed<Prepared>> {
  return phases ? timedOver.run({ prepared, phases: phasesLeaf(phases) }, {}) : prepared;
}

/** A model as often as it has phases. @param phases none: once, at the sizes of the measurement */
export const perPhase = <T extends object>(
  candidate: T,
  phases: readonly TimedPhase[] | undefined,
): (T & { readonly dims?: TimedPhase['dims'] })[] =>
  phases ? phases.map(({ dims }) => ({ ...candidate, dims })) : [candidate];

/**
 * The results of two models that were measured in every phase, as those of two models: sums over the phases, and the
 * quotient of the sums. What was measured beside them follows unchanged.
 * @param results of the original's phases, then of the other model's, then of others
 */
export function foldPhases(
  results: readonly CandidateResult[],
  phases: readonly TimedPhase[] | undefined,
): readonly CandidateResult[] {
  if (!phases || phases.length === 1) return results;
  const weights = phases.map((p) => p.weight);
  const count = phases.length;
  // All ratios are to the first candidate, over neighbouring blocks.
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
    // What an interval of a quotient of sums would be is not known here: the callers judge by several openings.
    ratio: { value: ratio, low: ratio, high: ratio },
    gain: 1 - ratio,
  });
  return [fold(original, 1), fold(other, value), ...results.slice(2 * count)];
}
