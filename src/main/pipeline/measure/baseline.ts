/** The original's latency, measured together with the prepared model and kept for later jobs. */
import type { Budget } from '../../../shared/model/types.ts';
import type { StageContext } from '../context.ts';
import { conditionLeaves, type Machine } from '../leaves.ts';
import type { Prepared } from '../prepare/prepare.ts';
import { figures, input, type Keyed } from '../stage.ts';
import { atPercentile, type Compare, type PhasePair } from './paired-benchmark.ts';

export interface Baseline {
  /** Median latency of the original. */
  readonly baselineMs: number;
  /**
   * Percentile over median of the original; a budget at another percentile is converted to the
   * median by it.
   */
  readonly spread: number;
  /** Latency of the prepared model over the original. */
  readonly ratio: number;
  /** The figures of each phase; a model without phases has one. */
  readonly phases: readonly PhasePair[];
}

/** The original and the prepared model, measured in the same run. */
const baseline = figures({
  name: 'baseline',
  version: 2,
  inputs: {
    prepared: input<Prepared>(),
    machine: input<Machine>(),
    threads: input<number>(),
    provider: input<string>(),
    batch: input<number>(),
  },
});

interface BaselineOptions {
  readonly prepared: Keyed<Prepared>;
  readonly budget: Budget;
}

/**
 * Keyed by the conditions and not by the measured figures, so that another budget under the same
 * conditions reuses derived results.
 */
export type MeasuredBaseline = Keyed<Baseline>;

const conditionsOf = ({ prepared, budget }: BaselineOptions) => ({ prepared, ...conditionLeaves(budget) });

/** Returns the result of an earlier measurement under the same conditions, or null. */
function knownBaseline(o: BaselineOptions, ctx: Pick<StageContext, 'memo'>): MeasuredBaseline | null {
  const given = conditionsOf(o);
  const memo = baseline.open(given, ctx);
  const [baselineMs, spread, ratio] = [memo.get('ms'), memo.get(spreadAt(o.budget)), memo.get('prepared')];
  if (baselineMs === undefined || spread === undefined || ratio === undefined) return null;
  const phases: PhasePair[] = [];
  for (let i = 0; i < phaseCount(o.prepared.value); i++) {
    const [originalMs, own] = [memo.get(`phase ${i} ms`), memo.get(`phase ${i} prepared`)];
    if (originalMs === undefined || own === undefined) return null;
    phases.push({ originalMs, ratio: own });
  }
  return baseline.measured(given, { baselineMs, spread, ratio, phases });
}

const phaseCount = ({ phases }: Prepared): number => phases?.length ?? 1;

/**
 * The original's latency as stated in a report, under the same conditions.
 * @param o.phaseMs latency of each phase, for a component of a package
 */
export function reportedBaseline(
  o: BaselineOptions & { readonly baselineMs: number; readonly phaseMs?: readonly number[] },
  ctx: Pick<StageContext, 'memo'>,
): MeasuredBaseline {
  const { baselineMs, phaseMs = [baselineMs] } = o;
  const { ratio = 1, spread = 1, phases } = knownBaseline(o, ctx)?.value ?? {};
  const stated = phaseMs.map((originalMs, i) => ({ originalMs, ratio: phases?.[i]?.ratio ?? 1 }));
  return baseline.measured(conditionsOf(o), { baselineMs, spread, ratio, phases: stated });
}

/**
 * Returns the baseline. A budget as a share of the original's time can reuse an earlier
 * measurement, because plans are steered by ratios within one run. For a budget in milliseconds the
 * original is measured now.
 */
export async function baselineOf(
  o: BaselineOptions & { readonly compare: Compare },
  ctx: Pick<StageContext, 'memo'>,
): Promise<MeasuredBaseline> {
  const known = o.budget.ratio === undefined ? null : knownBaseline(o, ctx);
  if (known) return known;
  const pair = await o.compare(o.prepared.value.model, { maxSeconds: 1.5 });
  const baselineMs = pair.original.p50Ms;
  const spread = atPercentile(pair.original, o.budget.percentile) / baselineMs;
  const given = conditionsOf(o);
  const memo = baseline.open(given, ctx);
  memo.put('ms', baselineMs);
  memo.put(spreadAt(o.budget), spread);
  memo.put('prepared', pair.ratio);
  const phases = pair.phases ?? [{ originalMs: baselineMs, ratio: pair.ratio }];
  phases.forEach(({ originalMs, ratio }, i) => {
    memo.put(`phase ${i} ms`, originalMs);
    memo.put(`phase ${i} prepared`, ratio);
  });
  return baseline.measured(given, { baselineMs, spread, ratio: pair.ratio, phases });
}

const spreadAt = ({ percentile }: Budget): string => `spread ${percentile}`;
