/** Recovery as a stage of a job: kept in the artifact store, and skipped with a reason where it cannot be done. */
import { readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { CompressRequest } from '../../../shared/model/job.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { Meanings } from '../../engine/quality/meaning.ts';
import { openModelFile, saveModelFile } from '../../storage/model-files.ts';
import type { Compensated } from '../compensate/compensate-stage.ts';
import type { StageContext } from '../context.ts';
import type { JobData } from '../prepare/job-data.ts';
import { recover, type Recovered } from './recover.ts';

/**
 * What a recovered model depends on. Its start is an artifact whose name is the hash of its own key: the plan, and the
 * samples that the last compensation used, are in there.
 */
export const recoverKey = (o: {
  readonly request: Pick<CompressRequest, 'recipe'>;
  readonly compensated: Pick<Compensated, 'path'>;
  readonly identity: Readonly<Record<string, unknown>>;
}) => ({
  from: basename(dirname(o.compensated.path)),
  identity: o.identity,
  recovery: o.request.recipe.recovery,
  version: 12,
});
/** The sizes of dynamic axes are not in the file. */
function likeOriginal(model: Model, original: Model): Model {
  model.sizes = original.sizes;
  return model;
}

export async function recoverStage(
  o: {
    readonly request: CompressRequest;
    readonly data: JobData;
    readonly original: Model;
    readonly compensated: Compensated;
    readonly identity: Readonly<Record<string, unknown>>;
    readonly threads: number;
    readonly meanings?: Meanings | undefined;
  },
  ctx: StageContext,
): Promise<{ path: string | null; note: string }> {
  const { request, data, compensated, threads } = o;
  const { recipe, seed } = request;
  try {
    const dir = await ctx.artifact('recover', recoverKey(o), async (to, checkpoint) => {
      const r: Recovered = await recover(
        o.original,
        likeOriginal(openModelFile(compensated.path), o.original),
        {
          recipe: recipe.recovery,
          dataset: data.dataset!,
          train: data.train,
          holdout: data.judge,
          seed,
          threads,
          features: compensated.features,
          checkpoint,
          meanings: o.meanings,
        },
        ctx,
      );
      saveModelFile(r.model, join(to, 'model.onnx'));
      const { model: _, ...log } = r;
      await writeFile(join(to, 'recovery.json'), JSON.stringify(log));
    });
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
