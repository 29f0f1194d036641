/**
 * Jobs on detectors that run only when they find boxes. On random numbers, or after a cut, such a
 * model may find none and fail. Comparisons and timings then run with held choices: the original's
 * where they are known, the model's own otherwise, and one artificial box where there is none.
 * Evaluations of quality run without held choices.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { ExecSession, Executor, HostTensor, SessionOptions } from '../../engine/executor.ts';
import { cloneModel } from '../../engine/ir/clone.ts';
import { DType, elementCount } from '../../engine/ir/dtype.ts';
import type { Model } from '../../engine/ir/model.ts';
import { tensorFrom, typedArray, type NumericArray, type Tensor } from '../../engine/ir/tensor.ts';
import { choicesOf, fixSelections } from '../../engine/passes/index.ts';
import { fedInputs } from '../../runtime/random-inputs.ts';
import type { StageContext } from '../context.ts';
import { dataInputs, padded } from '../prepare/data-input.ts';
import { recordChoices } from '../../engine/passes/held-choices.ts';
import type { PairedBenchmark } from './paired-benchmark.ts';

type Feeds = Readonly<Record<string, HostTensor>>;
type Choices = ReadonlyMap<string, Tensor>;

const isRejection = (e: unknown): boolean => e instanceof SecateurError && e.code === 'runtime-rejected';

/**
 * Replaces empty choices by one entry of zeros, or one true value: the first box of the first
 * class.
 */
function neverEmpty(choices: Choices): Choices {
  return new Map([...choices].map(([name, t]) => [name, filled(t)]));
}

function filled(t: Tensor): Tensor {
  if (t.dims.includes(0)) {
    const dims = t.dims.map((n) => n || 1);
    const data = new (typedArray(t).constructor as new (n: number) => NumericArray)(elementCount(dims));
    return tensorFrom({ dtype: t.dtype, dims, data });
  }
  // A scalar is the condition of a branch, which may well be false.
  if (t.dtype !== DType.BOOL || t.dims.length === 0) return t;
  const data = typedArray(t).slice() as Uint8Array;
  if (data.length > 0 && !data.includes(1)) data[0] = 1;
  return tensorFrom({ dtype: t.dtype, dims: t.dims, data });
}

/**
 * Runs with choices held by name: first the recorded ones, then the same without empty ones. Null
 * when neither runs.
 */
export async function tryHeld<T>(model: Model, choices: Choices, use: (fixed: Model) => Promise<T>): Promise<T | null> {
  for (const recorded of [choices, neverEmpty(choices)]) {
    const { model: fixed } = cloneModel(model);
    if (fixSelections(fixed, recorded) === 0) return null;
    try {
      return await use(fixed);
    } catch (e) {
      if (!isRejection(e)) throw e;
    }
  }
  return null;
}

/** Choices of a model on these inputs; null when it has none or cannot run. */
export async function choicesFor(model: Model, feeds: Feeds, executor: Executor): Promise<Choices | null> {
  const names = fedInputs(model).map((v) => v.name);
  if (!names.every((n) => n in feeds)) return null;
  const own = Object.fromEntries(names.map((n) => [n, feeds[n]!]));
  try {
    return await recordChoices(model, own, executor);
  } catch (e) {
    if (isRejection(e)) return null;
    throw e;
  }
}

/** A session of a model with choices. */
export interface HoldingSession extends ExecSession {
  /** Runs with the reference's choices in every case; null when that is not possible. */
  readonly runHeld?: (feeds: Feeds) => Promise<Record<string, HostTensor> | null>;
}

export interface HoldingExecutor extends Executor {
  open(model: Model, options?: SessionOptions): Promise<HoldingSession>;
  readonly plain: Executor;
  /** Number of runs that needed held choices. */
  held(): number;
}

/** The executor without held choices, for judging models by the boxes they find. */
export const plainOf = (executor: Executor): Executor => (executor as Partial<HoldingExecutor>).plain ?? executor;

/**
 * @param reference the original in the form from which others are cut; null: every model is held by
 * its own choices
 */
export function holdingExecutor(given: Executor, reference: Model | null = null): HoldingExecutor {
  const plain = plainOf(given);
  let count = 0;
  // Batches are run repeatedly; the choices for each are found once.
  const known = new WeakMap<HostTensor, Choices>();
  const choicesOn = async (model: Model, feeds: Feeds): Promise<Choices | null> => {
    const key = reference && feeds[fedInputs(reference)[0]?.name ?? ''];
    const before = key && known.get(key);
    if (before) return before;
    const found = reference && (await choicesFor(reference, feeds, plain));
    if (found && key) known.set(key, found);
    return found ?? choicesFor(model, feeds, plain);
  };
  return {
    ...given,
    plain,
    held: () => count,
    async open(model, options) {
      const session = await plain.open(model, options);
      if (choicesOf(model).length === 0) return session;
      const runHeld = async (feeds: Feeds, fetches?: readonly string[]) => {
        const choices = await choicesOn(model, feeds);
        if (!choices) return null;
        const out = await tryHeld(model, choices, async (fixed) => {
          const again = await plain.open(fixed, options);
          try {
            return await again.run(feeds, fetches);
          } finally {
            await again.release();
          }
        });
        if (out) count++;
        return out;
      };
      return {
        inputNames: session.inputNames,
        outputNames: session.outputNames,
        outputDtypes: session.outputDtypes,
        release: () => session.release(),
        runHeld,
        async run(feeds, fetches) {
          try {
            return await session.run(feeds, fetches);
          } catch (e) {
            if (!isRejection(e)) throw e;
            const out = await runHeld(feeds, fetches);
            // The choices are not the cause, so the first error is thrown.
            if (!out) throw e;
            return out;
          }
        },
      };
    },
  };
}

/** Source of the boxes when random numbers gave none. */
export type BoxesFrom = 'sample' | 'held';

const NOTES: Readonly<Record<BoxesFrom, string>> = {
  sample: 'The model runs only when it finds boxes, and it finds none in random numbers. Latency was measured on a sample of the data.',
  held: 'The model runs only when it finds boxes. Where it found none, latency was measured with its choice of boxes held fixed and does not include the selection.',
}; // prettier-ignore

/** Notes for a report on how models were measured. */
export const boxesNotes = (results: readonly { readonly boxes?: BoxesFrom }[]): string[] =>
  [...new Set(results.flatMap((r) => (r.boxes ? [r.boxes] : [])))].map((s) => NOTES[s]);

export interface Held {
  readonly ctx: StageContext;
  readonly notes: () => readonly string[];
  /** Inputs of one run, for detectors with data. */
  readonly sample: Feeds | null;
  /**
   * Returns a benchmark that moves failing measurements to another process, which can hold boxes.
   */
  readonly comparing: (beside: PairedBenchmark) => PairedBenchmark;
}

/**
 * Creates a context in which a detector is compared and timed even when it finds no boxes. Models
 * without choices keep the given context.
 */
export async function holdBoxes(
  ctx: StageContext,
  prepared: Model,
  o: { readonly dataset: Dataset | null; readonly batch: number },
): Promise<Held> {
  if (choicesOf(prepared).length === 0) return { ctx, sample: null, notes: () => [], comparing: (beside) => beside };
  const executor = holdingExecutor(ctx.executor, prepared);
  const sample = await sampleOf(prepared, o);
  const seen = new Set<BoxesFrom>();
  const inSubprocess = async (task: string, input: unknown): Promise<unknown> => {
    if (task !== 'measure') return ctx.inSubprocess(task, input);
    const results = await ctx.inSubprocess(task, { ...(input as object), holding: true, ...(sample && { sample }) });
    for (const r of results as readonly { readonly boxes?: BoxesFrom }[]) if (r.boxes) seen.add(r.boxes);
    return results;
  };
  const comparing = (beside: PairedBenchmark): PairedBenchmark => ({
    ...beside,
    async compare(pruned, how = {}) {
      try {
        return await beside.compare(pruned, how);
      } catch (e) {
        if (!isRejection(e)) throw e;
        return beside.compare(pruned, { ...how, openings: Math.max(2, how.openings ?? 1) });
      }
    },
  });
  const runs = (): string[] =>
    executor.held() > 0
      ? [
          `A model found no boxes in ${executor.held()} runs of the search. These runs were made with the choices held fixed.`,
        ]
      : [];
  return {
    ctx: { ...ctx, executor, inSubprocess },
    sample,
    notes: () => [...runs(), ...boxesNotes([...seen].map((boxes) => ({ boxes })))],
    comparing,
  };
}

/** Null without data. */
async function sampleOf(
  model: Model,
  { dataset, batch }: { readonly dataset: Dataset | null; readonly batch: number },
): Promise<Record<string, HostTensor> | null> {
  if (!dataset || dataset.length === 0) return null;
  const inputs = dataInputs(model);
  const size = inputs.fixedBatch ?? batch;
  const indices = Array.from({ length: Math.min(size, dataset.length) }, (_, i) => i);
  return { ...padded(await dataset.batch(indices), size, inputs) };
}

/**
 * Wraps a task that opens detectors: when random numbers give no boxes, choices are held.
 * @throws SecateurError 'boxes-needed' when that is not enough
 */
export function holding<R, T>(run: (request: R, ctx: StageContext) => Promise<T>) {
  return async (request: R, ctx: StageContext): Promise<T> => {
    const executor = holdingExecutor(ctx.executor);
    try {
      return await run(request, { ...ctx, executor });
    } catch (e) {
      if (!(e instanceof SecateurError) || !isRejection(e) || executor.held() === 0) throw e;
      throw new SecateurError('boxes-needed', e.detail, { cause: e });
    }
  };
}
