/** Surgery and compensation as a stage. Every job that reaches the same plan reuses the result. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Recipe } from '../../../shared/model/job.ts';
import type { Plan } from '../../../shared/model/types.ts';
import { compensate, type Fitted } from '../../engine/compensation/sequential.ts';
import { applyPlan } from '../../engine/structures/apply.ts';
import type { Model } from '../../engine/ir/model.ts';
import { featuresOf, type Feature } from '../../engine/recovery/features.ts';
import { saveModelFile } from '../../storage/model-files.ts';
import { inLargerBatches, type Calibration } from '../prepare/calibration.ts';
import type { StageContext } from '../context.ts';
import { dataInputs } from '../prepare/data-input.ts';
import { tidy, type Prepared } from '../prepare/prepare.ts';
import { derived, input, stage } from '../stage.ts';
import { targetsStage } from './targets-store.ts';

/** Smallest batch of samples. The network runs in many pieces, and each run has an overhead. */
const LEAST_BATCH = 16;

export interface Compensated {
  /** Path of the model file. */
  readonly path: string;
  /** Activations that recovery may match. */
  readonly features: readonly Feature[];
}

/** The same samples in larger batches, where the model takes any batch size. */
const enlarged = derived({
  name: 'larger-batches',
  version: 1,
  inputs: { prepared: input<Prepared>(), calibration: input<Calibration>() },
  run: ({ prepared, calibration }) =>
    dataInputs(prepared.model).fixedBatch !== null ? calibration : inLargerBatches(calibration, LEAST_BATCH),
});

interface Fit {
  readonly model: Model;
  readonly features: readonly Feature[];
  readonly fits: readonly Fitted[];
}

export const compensateStage = stage({
  name: 'compensate',
  version: 13,
  inputs: {
    prepared: input<Prepared>(),
    calibration: input<Calibration>(),
    plan: input<Plan>(),
    compensation: input<Recipe['compensation']>(),
    rounds: input<number>(),
    threads: input<number>(),
  },
  run: async (
    { prepared, calibration, plan, compensation: kind, rounds, threads },
    ctx: Pick<StageContext, 'executor' | 'artifact' | 'progress'>,
    { given },
  ): Promise<Fit> => {
    const surgery = applyPlan(prepared, plan);
    const features = featuresOf(surgery);
    let fits: Fitted[] = [];
    if (kind !== 'none' && calibration.real) {
      const larger = await enlarged.run(given, ctx);
      const { value: looked } = await targetsStage.run({ ...given, calibration: larger }, ctx);
      fits = await compensate(ctx.executor, prepared, surgery, larger.value.batches, {
        threads,
        kind,
        rounds,
        ...(looked && { looked }),
        onProgress: (done, node) => ctx.progress({ stage: 'compensate', message: node, done }),
      });
    }
    tidy(surgery.model);
    return { model: surgery.model, features, fits };
  },
  codec: {
    write: async (folder, { model, features, fits }: Fit) => {
      saveModelFile(model, join(folder, 'model.onnx'));
      await writeFile(join(folder, 'features.json'), JSON.stringify(features));
      await writeFile(join(folder, 'fitted.json'), JSON.stringify(fits));
    },
    read: async (folder): Promise<Compensated> => ({
      path: join(folder, 'model.onnx'),
      features: JSON.parse(await readFile(join(folder, 'features.json'), 'utf8')) as Feature[],
    }),
  },
});
