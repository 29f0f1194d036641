/** The latency model as a stage of a job: kept per model, machine and conditions, so that another budget times nothing. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Budget } from '../../../shared/model/types.ts';
import type { Model } from '../../engine/ir/model.ts';
import { restoreLatencyModel, storeLatencyModel, type StoredLatencyModel } from '../../engine/latency/stored.ts';
import type { KeepCounts } from '../../engine/latency/widths.ts';
import { applyPlan } from '../../engine/pruning/surgery.ts';
import { localDevice } from '../../runtime/device.ts';
import { buildLatencyModel, type BuiltLatencyModel, type LatencyModelOptions } from '../../runtime/latency-model.ts';
import type { StageContext } from '../context.ts';
import type { Prepared } from '../prepare/prepare.ts';

/** Of the latency model's making; raised when it changes. */
const VERSION = 4;

/** @param o.baselineMs measured end to end in this run, of the prepared model */
export async function latencyStage(
  o: {
    readonly prepared: Prepared;
    readonly sha256: string;
    readonly budget: Budget;
    readonly baselineMs: number;
    /** Inputs that the model runs on, where it may not run on random ones. */
    readonly sample?: LatencyModelOptions['feeds'];
  },
  ctx: StageContext,
): Promise<Pick<BuiltLatencyModel, 'model' | 'counts'>> {
  const { prepared, budget } = o;
  const { model, facts, analysis } = prepared;
  const { threads, provider, batch } = budget;
  const { processor, runtime } = localDevice();
  const nodes = [...model.graph.nodes()];
  const key = { model: o.sha256, threads, provider, batch, processor, runtime, version: VERSION };
  const dir = await ctx.artifact('latency', key, async (to) => {
    const build = (feeds?: LatencyModelOptions['feeds']): Promise<BuiltLatencyModel> =>
      buildLatencyModel(model, facts, analysis.groups, {
        threads,
        provider,
        batch,
        ...(feeds && { feeds }),
        table: ctx.latency,
        baselineMs: o.baselineMs,
        cut: (keep) => cutCounts(prepared, keep),
        steps: 8,
        onProgress: (done, message) => ctx.progress({ stage: 'latency', message, done }),
      });
    const built = await build().catch((e: unknown) => {
      if (!o.sample || !(e instanceof SecateurError && e.code === 'runtime-rejected')) throw e;
      return build(o.sample);
    });
    await writeFile(join(to, 'latency.json'), JSON.stringify(storeLatencyModel(built.model, built.counts, nodes)));
  });
  const stored = JSON.parse(await readFile(join(dir, 'latency.json'), 'utf8')) as StoredLatencyModel;
  return restoreLatencyModel(stored, nodes, o.baselineMs);
}

/** Keeps the first units of every group: for timing, where it does not matter which ones stay. */
function cutCounts({ model, facts, analysis }: Prepared, keep: KeepCounts): Model {
  const groups = analysis.groups.flatMap((g) => {
    const k = keep.get(g.id) ?? g.units;
    return k >= g.units ? [] : [{ group: g.id, removed: Array.from({ length: g.units - k }, (_, i) => k + i) }];
  });
  return applyPlan(model, facts, analysis, { groups, blocks: [] }).model;
}
