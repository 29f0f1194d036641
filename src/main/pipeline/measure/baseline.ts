/** The original's latency, measured beside the prepared model, and what is kept of it for later jobs. */
import type { Budget } from '../../../shared/model/types.ts';
import type { Model } from '../../engine/ir/model.ts';
import { localDevice } from '../../runtime/device.ts';
import type { Figures, StageContext } from '../context.ts';
import { atPercentile, type Compare } from './paired-benchmark.ts';

export interface Baseline {
  /** Median of the original. */
  readonly baselineMs: number;
  /** A budget at another percentile is steered by the median, with the spread that the original shows. */
  readonly spread: number;
  /** Of the prepared model to the original. */
  readonly ratio: number;
}

/** What was measured depends on the model, the conditions, the machine and the runtime. */
function figures(sha256: string, { threads, provider, batch, percentile }: Budget, ctx: StageContext): Figures {
  const { processor, runtime } = localDevice();
  return ctx.memo('baseline', { model: sha256, threads, provider, batch, percentile, processor, runtime });
}

/** What an earlier measurement under the same conditions found, or null. */
export function knownBaseline(sha256: string, budget: Budget, ctx: StageContext): Baseline | null {
  const memo = figures(sha256, budget, ctx);
  const [baselineMs, spread, ratio] = [memo.get('ms'), memo.get('spread'), memo.get('prepared')];
  return baselineMs === undefined || spread === undefined || ratio === undefined ? null : { baselineMs, spread, ratio };
}

/**
 * A budget that is a share of the original's time needs no milliseconds of this moment: what an earlier job measured will
 * do, since plans are steered by ratios that are measured side by side. Any other budget is measured now.
 */
export async function baselineOf(
  o: { readonly sha256: string; readonly prepared: Model; readonly budget: Budget; readonly compare: Compare },
  ctx: StageContext,
): Promise<Baseline> {
  const known = o.budget.ratio === undefined ? null : knownBaseline(o.sha256, o.budget, ctx);
  if (known) return known;
  const pair = await o.compare(o.prepared, { maxSeconds: 1.5 });
  const baselineMs = pair.original.p50Ms;
  const spread = atPercentile(pair.original, o.budget.percentile) / baselineMs;
  const memo = figures(o.sha256, o.budget, ctx);
  memo.put('ms', baselineMs);
  memo.put('spread', spread);
  memo.put('prepared', pair.ratio);
  return { baselineMs, spread, ratio: pair.ratio };
}
