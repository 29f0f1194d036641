/**
 * Distinguishes a user's model that the runtime rejects from a rejected graph that Secateur made.
 * Tasks run many graphs derived from the model, and the runtime's message does not say which one
 * failed. After such a failure the model is run as given.
 */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Executor, SessionOptions } from '../engine/executor.ts';
import { randomFeeds } from '../runtime/random-inputs.ts';
import { applySizes, settleSizes, type SizeOptions } from '../runtime/settle-sizes.ts';
import { openModelFile } from '../storage/model-files.ts';
import type { StageContext } from '../pipeline/context.ts';
import { holdingExecutor } from '../pipeline/measure/hold-boxes.ts';

export interface Given {
  /** Paths of the user's model files. */
  readonly models: readonly string[];
  readonly provider?: string | undefined;
  readonly batch?: number | undefined;
  readonly dims?: SizeOptions['dims'] | undefined;
}

/**
 * Wraps a task so that a rejection is 'runtime-rejected' when one of the user's models does not run
 * by itself, else 'own-graph-rejected'. It costs nothing unless something fails.
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
      // A detector that finds no boxes in random input still counts as a model that runs.
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

/** The runtime's reason for rejecting the model, or null when it runs. */
async function refusalOf(path: string, executor: Executor, how: Omit<Given, 'models'>): Promise<SecateurError | null> {
  const { provider, batch, dims } = how;
  const options: SessionOptions = { memoryPattern: false, ...(provider !== undefined && { provider }) };
  try {
    const model = openModelFile(path);
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
    // Other errors (such as sizes that only the data determine) are not rejections: the task itself
    // got further than this check.
    if (e instanceof SecateurError) return null;
    throw e;
  }
}
