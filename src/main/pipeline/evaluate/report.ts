/** The parts of a compression's report. */
import type { CompressRequest, ModelMeasure, Quality } from '../../../shared/model/job.ts';
import type { LatencyStats } from '../../../shared/model/types.ts';
import { modelCosts } from '../../engine/ir/costs.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { Meanings } from '../../engine/quality/meaning.ts';
import { measuredHere } from '../../runtime/device.ts';
import { collectFacts } from '../../runtime/facts.ts';
import { profileModel } from '../../runtime/profile.ts';
import type { StageContext } from '../context.ts';
import { familyOf } from '../../engine/families/network.ts';
import { keptUnits } from '../../engine/structures/structure-info.ts';
import type { Prepared } from '../prepare/prepare.ts';
import type { SizedModel } from '../prepare/sized.ts';
import { withoutRules } from '../../engine/structures/without-rules.ts';

/** The parts of a job that its report uses. */
interface Told {
  readonly request: CompressRequest;
  readonly loaded: SizedModel;
  readonly prepared: Prepared;
  readonly meanings: Meanings;
  /** Suspicious findings about the original on the data. */
  readonly warnings: readonly string[];
}

export const reportHead = ({ request, loaded, prepared, meanings, warnings }: Told, ctx: StageContext) => ({
  outputs: [...meanings.values()],
  warnings,
  job: ctx.job,
  skipped: prepared.analysis.skipped,
  family: request.family ?? familyOf(loaded.model),
  provenance: measuredHere(),
  recipe: request.recipe,
});

export async function measureOf(
  m: Model,
  bytes: number,
  stats: LatencyStats,
  quality: Quality | null,
  { request }: Pick<Told, 'request'>,
  ctx: StageContext,
): Promise<ModelMeasure> {
  const { macs, params } = modelCosts(m, await collectFacts(m, ctx.executor, { batch: request.budget.batch }));
  return { ...stats, macs, params, bytes, quality };
}

/** The report when even the largest cut is too slow, with the operators that take the time. */
export async function unreachable(
  { request, prepared }: Pick<Told, 'request' | 'prepared'>,
  { least, ratio, bestMs }: { least: Model; ratio: number; bestMs: number },
) {
  const { threads, provider, batch } = request.budget;
  const { operators } = await profileModel(least, { threads, provider, batch, runs: 20 });
  const nothing = prepared.structures.length === 0;
  return {
    met: false,
    accepted: false,
    reasons: ['The budget cannot be reached.'],
    unreachable: {
      reason: nothing
        ? ['nothing in this model can be pruned', ...withoutRules(prepared.model)].join('. ').replace(/\.$/, '')
        : `the largest cut that the recipe allows takes ${(100 * ratio).toFixed(1)} % of the original's latency`,
      bestMs,
      holds: operators
        .map((o) => ({ operator: `${o.opType} ${o.name}`, ms: o.ms }))
        .sort((a, b) => b.ms - a.ms)
        .slice(0, 8),
    },
    result: null,
    compensated: null,
    bundle: null,
    model: null,
    groups: keptUnits(prepared.structures, { choices: [] }),
    blocksRemoved: [],
  };
}
