/**
 * Detectors whose graph runs only with as many boxes as its exporter saw, or with one at least: a cut model that chooses
 * others fails, by its choice and not by its numbers. With the original's choices held fixed it is judged all the same.
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

/** What a model chooses for the given inputs, by the names of the values; null where it chooses nothing. */
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
  // What comes behind them may not run.
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
  /** The original in the form that the cut model was made from: its values have the same names. Asked for when needed. */
  readonly prepared: () => Promise<Model>;
}

/**
 * Runs a cut model; where it fails because of its own choices, again with the original's.
 * @returns outputs, and whether the choices in them are the original's
 * @throws what the run threw, where the model chooses nothing or fails with the original's choices too
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
      // Not its choices are to blame: the first message says what is.
      throw e;
    } finally {
      await again.release();
    }
  }
}

/** What a report says of samples that a cut model did not run on by its own choices. */
export const heldNote = (held: number, samples: number): string =>
  `The pruned model does not run with its own boxes on ${held} of ${samples} samples. These samples count as having no boxes, and their numbers come from runs with the original's choices.`;
