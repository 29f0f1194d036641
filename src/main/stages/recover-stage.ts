/** Recovery as a stage of a job: kept in the artifact store, and skipped with a reason where it cannot be done. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { CompressRequest } from '../../shared/model/job.ts';
import type { Model } from '../engine/ir/model.ts';
import { openModelFile, saveModelFile } from '../storage/model-files.ts';
import type { Compensated } from './compensate-stage.ts';
import type { StageContext } from './context.ts';
import type { JobData } from './job-data.ts';
import { recover, type Recovered } from './recover.ts';

export async function recoverStage(
  o: {
    readonly request: CompressRequest;
    readonly data: JobData;
    readonly original: Model;
    readonly compensated: Compensated;
    readonly planHash: string;
    readonly identity: Readonly<Record<string, unknown>>;
    readonly threads: number;
  },
  ctx: StageContext,
): Promise<{ path: string | null; note: string }> {
  const { request, data, compensated, threads } = o;
  const { recipe, seed } = request;
  try {
    const dir = await ctx.artifact(
      'recover',
      {
        identity: o.identity,
        plan: o.planHash,
        compensation: recipe.compensation,
        recovery: recipe.recovery,
        version: 11,
      },
      async (to, checkpoint) => {
        const r: Recovered = await recover(
          o.original,
          openModelFile(compensated.path),
          {
            recipe: recipe.recovery,
            dataset: data.dataset!,
            train: data.train,
            holdout: data.judge,
            seed,
            threads,
            features: compensated.features,
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
