/** The original's latency, measured beside the prepared model and kept for later jobs. */
import type { Budget } from '../../../shared/model/types.ts';
import type { StageContext } from '../context.ts';
import { conditionLeaves, type Machine } from '../leaves.ts';
import type { Prepared } from '../prepare/prepare.ts';
import { figures, input, type Keyed } from '../stage.ts';
import { atPercentile, type Compare, type PhasePair } from './paired-benchmark.ts';

export interface Baseline {
  /** Median of the original. */
  readonly baselineMs: number;
  /** A budget at another percentile is steered by the median, with the spread that the original shows. */
  readonly spread: number;
  /** Of the prepared model to the original. */
  readonly ratio: number;
  /** The same of each phase; a model without phases has one. */
  readonly phases: readonly PhasePair[];
}

/** The original and the prepared model, measured side by side. */
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

/** Keyed by the conditions, whatever was measured: another budget under the same ones uses what was built on it. */
export type MeasuredBaseline = Keyed<Baseline>;

const conditionsOf = ({ prepared, budget }: BaselineOptions) => ({ prepared, ...conditionLeaves(budget) });

/** The result of an earlier measurement under the same conditions, or null. */
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
 * The original's latency as a report states it, under the same conditions.
 * @param o.phaseMs of each phase, for a component of a package
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
 * A budget that is a share of the original's time can use an earlier measurement, because plans are steered by ratios that
 * are measured side by side. For a budget in milliseconds the original is measured now.
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
