/** Surgery and compensation as a stage of a job: kept in the artifact store under the plan. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Recipe } from '../../../shared/model/job.ts';
import type { Plan } from '../../../shared/model/types.ts';
import { compensate, type Fitted } from '../../engine/compensation/sequential.ts';
import type { Surgery } from '../../engine/pruning/surgery.ts';
import { featuresOf, type Feature } from '../../engine/recovery/features.ts';
import { saveModelFile } from '../../storage/model-files.ts';
import { inLargerBatches, type Calibration } from '../prepare/calibration.ts';
import type { StageContext } from '../context.ts';
import { dataInput } from '../prepare/data-input.ts';
import { tidy, type Prepared } from '../prepare/prepare.ts';
import { cachedTargets } from './targets-store.ts';

/** Samples at once: a network runs in many pieces, and each run has its price. */
const LEAST_BATCH = 16;

export interface Compensated {
  /** The model file. */
  readonly path: string;
  /** Activations that recovery may match. */
  readonly features: readonly Feature[];
}

/** @param identity what the result depends on, beside the plan's hash */
export async function compensateStage(
  o: {
    readonly prepared: Prepared;
    readonly calibration: Calibration;
    readonly kind: Recipe['compensation'];
    readonly rounds: number;
    readonly plan: Plan;
    readonly planHash: string;
    readonly identity: Readonly<Record<string, unknown>>;
    readonly cut: () => Surgery;
    readonly threads: number;
  },
  ctx: StageContext,
): Promise<Compensated> {
  const key = { ...o.identity, plan: o.planHash, kind: o.kind, rounds: o.rounds, version: 11 };
  const dir = await ctx.artifact('compensate', key, async (to) => {
    const surgery = o.cut();
    const gone = new Set(o.plan.blocks);
    const dropped = o.prepared.blocks.filter((b) => gone.has(b.id));
    await writeFile(join(to, 'features.json'), JSON.stringify(featuresOf(surgery, dropped)));
    let fits: Fitted[] = [];
    if (o.kind !== 'none' && o.calibration.real) {
      const calibration = dataInput(o.prepared.model).fixedBatch
        ? o.calibration
        : inLargerBatches(o.calibration, LEAST_BATCH);
      const looked = await cachedTargets({ ...o, calibration }, ctx);
      fits = await compensate(ctx.executor, o.prepared, surgery, dropped, calibration.batches, {
        threads: o.threads,
        kind: o.kind,
        rounds: o.rounds,
        ...(looked && { looked }),
        onProgress: (done, node) => ctx.progress({ stage: 'compensate', message: node, done }),
      });
    }
    tidy(surgery.model);
    saveModelFile(surgery.model, join(to, 'model.onnx'));
    await writeFile(join(to, 'fitted.json'), JSON.stringify(fits));
  });
  return {
    path: join(dir, 'model.onnx'),
    features: JSON.parse(await readFile(join(dir, 'features.json'), 'utf8')) as Feature[],
  };
}
