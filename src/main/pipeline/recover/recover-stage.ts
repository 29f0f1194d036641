/**
 * Recovery as a stage of a job: stored in the artifact store, and skipped with a reason when it is
 * not possible.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Recipe } from '../../../shared/model/job.ts';
import type { Model } from '../../engine/ir/model.ts';
import { openModelFile, saveModelFile } from '../../storage/model-files.ts';
import type { Compensated } from '../compensate/compensate-stage.ts';
import type { StageContext } from '../context.ts';
import { recoveryLeaves, type TrainingRecipe } from '../leaves.ts';
import type { Samples } from '../prepare/job-data.ts';
import type { Prepared } from '../prepare/prepare.ts';
import { input, stage, type Keyed } from '../stage.ts';
import { recover, type Recovered } from './recover.ts';

/** The file does not store the sizes of dynamic axes. */
function likeOriginal(model: Model, original: Model): Model {
  model.sizes = original.sizes;
  return model;
}

type Log = Omit<Recovered, 'model'>;

const recovery = stage({
  name: 'recover',
  version: 13,
  inputs: {
    /** The original, with the readings of its outputs. */
    prepared: input<Prepared>(),
    compensated: input<Compensated>(),
    samples: input<Samples>(),
    seed: input<number>(),
    threads: input<number>(),
    seconds: input<TrainingRecipe['seconds']>(),
    optimizer: input<TrainingRecipe['optimizer']>(),
    learningRate: input<TrainingRecipe['learningRate']>(),
    batch: input<TrainingRecipe['batch']>(),
    temperature: input<TrainingRecipe['temperature']>(),
    alpha: input<TrainingRecipe['alpha']>(),
    augment: input<TrainingRecipe['augment']>(),
  },
  run: (
    { prepared, compensated, samples, seed, threads, ...recipe },
    ctx: Pick<StageContext, 'executor' | 'progress' | 'log'>,
    { checkpoint },
  ): Promise<Recovered> =>
    recover(
      prepared.model,
      likeOriginal(openModelFile(compensated.path), prepared.model),
      {
        recipe,
        dataset: samples.dataset!,
        train: samples.train,
        holdout: samples.judge,
        seed,
        threads,
        features: compensated.features,
        checkpoint,
        meanings: prepared.meanings,
      },
      ctx,
    ),
  codec: {
    write: (folder, { model, ...log }: Recovered) => {
      saveModelFile(model, join(folder, 'model.onnx'));
      return writeFile(join(folder, 'recovery.json'), JSON.stringify(log));
    },
    read: async (folder) => ({
      path: join(folder, 'model.onnx'),
      log: JSON.parse(await readFile(join(folder, 'recovery.json'), 'utf8')) as Log,
    }),
  },
});

/**
 * @returns the model (null when the pruned model cannot be differentiated) and a sentence for the
 * report
 */
export async function recoverStage(
  o: {
    readonly prepared: Keyed<Prepared>;
    readonly compensated: Keyed<Compensated>;
    readonly samples: Keyed<Samples>;
    readonly recovery: Recipe['recovery'];
    readonly seed: Keyed<number>;
    readonly threads: Keyed<number>;
  },
  ctx: StageContext,
): Promise<{ model: Keyed<{ readonly path: string }> | null; note: string }> {
  try {
    const model = await recovery.run({ ...o, ...recoveryLeaves(o.recovery) }, ctx);
    const { log } = model.value;
    return {
      model,
      note: `Recovery: ${log.steps} steps (${log.epochs.toFixed(1)} epochs) in ${log.seconds.toFixed(0)} s; distance to the original on held-out samples ${log.before.toPrecision(3)} before, ${log.after.toPrecision(3)} after.`,
    };
  } catch (e) {
    // A model that cannot be differentiated is still pruned and compensated.
    if (e instanceof SecateurError && e.code === 'gradient-unsupported')
      return { model: null, note: `No recovery: ${e.message}` };
    throw e;
  }
}
