/** Recovery as a stage of a job: kept in the artifact store, and skipped with a reason where it cannot be done. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { CompressRequest } from '../../shared/model/job.ts';
import type { Feature } from '../engine/recovery/features.ts';
import type { Model } from '../engine/ir/model.ts';
import { openModelFile, saveModelFile } from '../storage/model-files.ts';
import type { StageContext } from './context.ts';
import type { JobData } from './job-data.ts';
import { recover, type Recovered } from './recover.ts';

export async function recoverStage(
  request: CompressRequest,
  data: JobData,
  original: Model,
  modelPath: string,
  features: readonly Feature[],
  plan: string,
  identity: unknown,
  ctx: StageContext,
  threads: number,
): Promise<{ path: string | null; note: string }> {
  const { recipe, seed } = request;
  try {
    const dir = await ctx.artifact(
      'recover',
      { identity, plan, compensation: recipe.compensation, recovery: recipe.recovery, version: 2 },
      async (to, checkpoint) => {
        const r: Recovered = await recover(
          original,
          openModelFile(modelPath),
          {
            recipe: recipe.recovery,
            dataset: data.dataset!,
            train: data.train,
            holdout: data.judge,
            seed,
            threads,
            features,
            checkpoint,
          },
          ctx,
        );
        saveModelFile(r.model, join(to, 'model.onnx'));
        const { model: _, ...log } = r;
        await writeFile(join(to, 'recovery.json'), JSON.stringify(log));
      },
    );
    const log = JSON.parse(await readFile(join(dir, 'recovery.json'), 'utf8')) as Recovered;
    return {
      path: join(dir, 'model.onnx'),
      note: `Recovery: ${log.steps} steps (${log.epochs.toFixed(1)} epochs) in ${log.seconds.toFixed(0)} s; distance to the original on held-out samples ${log.before.toPrecision(3)} before, ${log.after.toPrecision(3)} after.`,
    };
  } catch (e) {
    // A model that cannot be differentiated is still pruned and compensated.
    if (e instanceof SecateurError && e.code === 'gradient-unsupported')
      return { path: null, note: `No recovery: ${e.message}` };
    throw e;
  }
}
