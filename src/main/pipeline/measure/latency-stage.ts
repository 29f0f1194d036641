/** The latency model as a stage. It is kept per model, machine and conditions, so that another budget times no operator. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Budget } from '../../../shared/model/types.ts';
import type { Model } from '../../engine/ir/model.ts';
import { restoreLatencyModel, storeLatencyModel, type StoredLatencyModel } from '../../engine/latency/stored.ts';
import type { KeepCounts } from '../../engine/latency/widths.ts';
import { applyPlan } from '../../engine/structures/apply.ts';
import { choiceOf } from '../../engine/structures/choices.ts';
import { axesOf } from '../../engine/structures/find.ts';
import { buildLatencyModel, type BuiltLatencyModel, type LatencyModelOptions } from '../../runtime/latency-model.ts';
import type { StageContext } from '../context.ts';
import { conditionLeaves, type Machine } from '../leaves.ts';
import { input, jsonFile, stage, type Keyed } from '../stage.ts';
import type { Baseline } from './baseline.ts';
import type { Prepared } from '../prepare/prepare.ts';

interface LatencyTools extends Pick<StageContext, 'latency' | 'progress'> {
  /** Inputs that the model runs on, where it may not run on random ones. Times are those of shapes, not of values. */
  readonly sample?: LatencyModelOptions['feeds'];
}

const latencyTables = stage({
  name: 'latency',
  version: 5,
  inputs: {
    prepared: input<Prepared>(),
    baseline: input<Baseline>(),
    machine: input<Machine>(),
    threads: input<number>(),
    provider: input<string>(),
    batch: input<number>(),
  },
  run: async ({ prepared, baseline, threads, provider, batch }, ctx: LatencyTools) => {
    const { model, facts, structures } = prepared;
    const build = (feeds?: LatencyModelOptions['feeds']): Promise<BuiltLatencyModel> =>
      buildLatencyModel(model, facts, axesOf(structures), {
        threads,
        provider,
        batch,
        ...(feeds && { feeds }),
        table: ctx.latency,
        baselineMs: preparedMs(baseline),
        cut: (keep) => cutCounts(prepared, keep),
        steps: 8,
        onProgress: (done, message) => ctx.progress({ stage: 'latency', message, done }),
      });
    const built = await build().catch((e: unknown) => {
      if (!ctx.sample || !(e instanceof SecateurError && e.code === 'runtime-rejected')) throw e;
      return build(ctx.sample);
    });
    return storeLatencyModel(built.model, built.counts, [...model.graph.nodes()]);
  },
  codec: jsonFile<StoredLatencyModel>('latency.json'),
});

const preparedMs = ({ baselineMs, ratio }: Baseline): number => baselineMs * ratio;

/** @param o.baseline as measured in this run: times are scaled to it */
export async function latencyStage(
  o: {
    readonly prepared: Keyed<Prepared>;
    readonly budget: Omit<Budget, 'percentile'>;
    readonly baseline: Keyed<Baseline>;
  },
  ctx: LatencyTools & Pick<StageContext, 'artifact'>,
): Promise<Pick<BuiltLatencyModel, 'model' | 'counts'>> {
  const { value } = await latencyTables.run({ ...o, ...conditionLeaves(o.budget) }, ctx);
  return restoreLatencyModel(value, [...o.prepared.value.model.graph.nodes()], preparedMs(o.baseline.value));
}

/** Keeps the first units of every structure. Times do not depend on which units stay. */
function cutCounts(prepared: Prepared, keep: KeepCounts): Model {
  const choices = prepared.structures.flatMap((s) => {
    const k = keep.get(s.id) ?? s.units;
    return k >= s.units
      ? []
      : [
          choiceOf(
            s,
            Array.from({ length: s.units - k }, (_, i) => k + i),
          ),
        ];
  });
  return applyPlan(prepared, { choices }).model;
}
