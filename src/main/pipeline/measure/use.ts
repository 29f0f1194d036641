/**
 * Splits one use of a package into the time of the component to prune and the time of the others.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { PackagePart } from '../../../shared/model/job.ts';
import type { Metric, PhasePart, PhaseTime, Workload } from '../../../shared/model/package.ts';
import type { Budget } from '../../../shared/model/types.ts';
import type { UseOfPackage } from '../../../shared/model/window.ts';
import { atPercentile } from './paired-benchmark.ts';

/** No cut is tried below this share of the component's own time. */
const LEAST_SHARE = 0.02;

/** @throws 'workload-metric' */
export function metricOf({ metrics }: Workload, name: string): Metric {
  const metric = metrics.find((m) => m.name === name);
  if (!metric)
    throw new SecateurError('workload-metric', { metric: name, known: metrics.map((m) => m.name).join(', ') });
  return metric;
}

/** The contribution of each phase to a metric; phases with weight 0 are left out. */
const phaseParts = (phases: readonly PhaseTime[], { weights }: Metric, percentile: Budget['percentile']): PhasePart[] =>
  phases.flatMap(({ name, component, latency }) => {
    const weight = weights[name] ?? 0;
    return weight > 0 ? [{ name, component, weight, ms: weight * atPercentile(latency, percentile) }] : [];
  });

/**
 * The share of the component's own time that a budget on the whole use leaves it, 1 at most.
 * @throws 'workload-component' when the component has no part in the metric or the other components
 * alone exceed the budget
 */
export function shareOf(
  phases: readonly PhaseTime[],
  metric: Metric,
  component: string,
  budget: Pick<Budget, 'ms' | 'ratio' | 'percentile'>,
): number {
  const { parts, ownMs, othersMs } = splitUse(phases, metric, component, budget.percentile);
  const goal = budget.ms ?? budget.ratio! * sum(parts);
  const ratio = (goal - othersMs) / ownMs;
  if (ratio < LEAST_SHARE)
    throw new SecateurError('workload-component', {
      component,
      reason: `the other components alone take ${othersMs.toFixed(2)} ms, and the budget on ${metric.name} is ${goal.toFixed(2)} ms`,
    });
  return Math.min(ratio, 1);
}

const sum = (parts: readonly PhasePart[]): number => parts.reduce((total, p) => total + p.ms, 0);

interface SplitUse {
  readonly parts: readonly PhasePart[];
  readonly ownMs: number;
  readonly othersMs: number;
}

/** @throws 'workload-component' when the component has no part in the metric */
function splitUse(
  phases: readonly PhaseTime[],
  metric: Metric,
  component: string,
  percentile: Budget['percentile'],
): SplitUse {
  const parts = phaseParts(phases, metric, percentile);
  const own = parts.filter((p) => p.component === component);
  const ownMs = sum(own);
  if (!(ownMs > 0))
    throw new SecateurError('workload-component', { component, reason: `it has no part in ${metric.name}` });
  return { parts, ownMs, othersMs: sum(parts) - ownMs };
}

/**
 * The use before pruning, by medians.
 * @throws 'workload-component' when the component has no part in the metric
 */
export function useBefore(
  phases: readonly PhaseTime[],
  metric: Metric,
  { component }: Pick<PackagePart, 'component'>,
): { readonly use: UseOfPackage; readonly ownMs: number } {
  const { parts, ownMs, othersMs } = splitUse(phases, metric, component, 50);
  return { use: { metric: metric.name, about: metric.about, component, othersMs, phases: parts }, ownMs };
}
