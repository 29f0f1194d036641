/**
 * Detectors whose graph runs only with the number of boxes from tracing, or with at least one box. A cut model that
 * selects other boxes fails because of its selection, not its numbers. It is judged with the original's selections
 * instead.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { ExecSession, Executor, HostTensor, SessionOptions } from '../executor.ts';
import { cloneModel } from '../ir/clone.ts';
import { isFloat } from '../ir/dtype.ts';
import type { Model } from '../ir/model.ts';
import { tensorFrom, type Tensor } from '../ir/tensor.ts';
import { choicesOf, eliminateDead, fixSelections, runPasses } from './index.ts';

type Feeds = Readonly<Record<string, HostTensor>>;
type Outputs = Readonly<Record<string, HostTensor>>;

/** Selections of a model for the given inputs, by value name; null where it selects nothing. */
export async function recordChoices(
  source: Model,
  feeds: Feeds,
  executor: Executor,
): Promise<Map<string, Tensor> | null> {
  const { model } = cloneModel(source);
  const choices = choicesOf(model);
  if (choices.length === 0) return null;
  model.graph.outputs.splice(0, Infinity, ...choices);
  for (const v of choices) v.type = null;
  // Later nodes may not run.
  runPasses(model, [eliminateDead]);
  const session = await executor.open(model, { threads: 1, optimization: 'basic' });
  try {
    const out = await session.run(feeds);
    return new Map(
      Object.entries(out).flatMap(([name, t]) => (isFloat(t.dtype) ? [] : [[name, tensorFrom(t)] as const])),
    );
  } finally {
    await session.release();
  }
}

export interface HoldOptions extends SessionOptions {
  readonly executor: Executor;
  /**
   * The original in the form that the cut model was made from, so that its values have the same names. Called only when
   * needed.
   */
  readonly prepared: () => Promise<Model>;
}

/**
 * Runs a cut model; where it fails because of its own selections, runs it again with the original's.
 * @returns outputs, and whether the selections in them are the original's
 * @throws the error of the run, where the model selects nothing or also fails with the original's selections
 */
export async function runHeld(
  model: Model,
  session: ExecSession,
  feeds: Feeds,
  { executor, prepared, ...options }: HoldOptions,
): Promise<{ readonly outputs: Outputs; readonly held: boolean }> {
  try {
    return { outputs: await session.run(feeds), held: false };
  } catch (e) {
    if (!(e instanceof SecateurError) || e.code !== 'runtime-rejected' || choicesOf(model).length === 0) throw e;
    const recorded = await recordChoices(await prepared(), feeds, executor);
    const { model: fixed } = cloneModel(model);
    if (!recorded || fixSelections(fixed, recorded) === 0) throw e;
    const again = await executor.open(fixed, options);
    try {
      return { outputs: await again.run(feeds), held: true };
    } catch {
      // The selections are not the cause, so the first error is reported.
      throw e;
    } finally {
      await again.release();
    }
  }
}

/** The report's note on samples that a cut model could not run on with its own selections. */
export const heldNote = (held: number, samples: number): string =>
  `The pruned model does not run with its own boxes on ${held} of ${samples} samples. These samples count as having no boxes, and their numbers come from runs with the original's choices.`;
