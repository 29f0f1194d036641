/**
 * Whose graph it was that the runtime refused. Tasks run many graphs that were made from the model, and the runtime's words
 * do not say which one failed: where a task fails like that, the model is opened and run as it was given.
 */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Executor, SessionOptions } from '../engine/executor.ts';
import { fillMissing } from '../engine/passes/fill-missing.ts';
import { randomFeeds } from '../runtime/random-inputs.ts';
import { applySizes, settleSizes, type SizeOptions } from '../runtime/settle-sizes.ts';
import { openModelFile } from '../storage/model-files.ts';
import type { StageContext } from '../pipeline/context.ts';
import { holdingExecutor } from '../pipeline/measure/hold-boxes.ts';

export interface Given {
  /** Model files of the user's. */
  readonly models: readonly string[];
  readonly provider?: string | undefined;
  readonly batch?: number | undefined;
  readonly dims?: SizeOptions['dims'] | undefined;
}

/**
 * The task with its rejections told apart: 'runtime-rejected' only where a model of the user's does not run by itself, else
 * 'own-graph-rejected'. Costs nothing while nothing fails.
 */
export function blaming<R, T>(
  run: (request: R, ctx: StageContext) => Promise<T>,
  given: (request: R) => Given,
): (request: R, ctx: StageContext) => Promise<T> {
  return async (request, ctx) => {
    try {
      return await run(request, ctx);
    } catch (e) {
      if (!isRejection(e)) throw e;
      const { models, ...how } = given(request);
      // A detector that random numbers give no boxes is none that does not run.
      const executor = holdingExecutor(ctx.executor);
      for (const path of models) {
        const refusal = await refusalOf(path, executor, how);
        if (refusal) throw refusal;
      }
      throw new SecateurError('own-graph-rejected', e.detail, { cause: e });
    }
  };
}

const isRejection = (e: unknown): e is SecateurError => e instanceof SecateurError && e.code === 'runtime-rejected';

/** Why the runtime does not run the file's model, or null. Weights that a file leaves out are made up, as tasks do. */
async function refusalOf(path: string, executor: Executor, how: Omit<Given, 'models'>): Promise<SecateurError | null> {
  const { provider, batch, dims } = how;
  const options: SessionOptions = { memoryPattern: false, ...(provider !== undefined && { provider }) };
  try {
    const model = openModelFile(path);
    fillMissing(model, 1);
    const session = await executor.open(model, options);
    try {
      const sizes = await settleSizes(model, executor, {
        ...(batch !== undefined && { batch }),
        ...(dims && { dims }),
      });
      applySizes(model, sizes);
      await session.run(randomFeeds(model, { batch: sizes.batch }));
      return null;
    } finally {
      await session.release();
    }
  } catch (e) {
    if (isRejection(e)) return e;
    // Whatever else is wrong here (sizes that only the data tell) is no refusal: the task itself came further.
    if (e instanceof SecateurError) return null;
    throw e;
  }
}
