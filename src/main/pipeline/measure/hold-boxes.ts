/**
 * Jobs on detectors that run only where they find boxes. On random numbers, or once it is cut, such a model may find none
 * and fail by its own choice. Whatever only compares or times then runs with choices held fixed: the original's where they
 * are known, the model's own otherwise, and one made-up box where there is none. What says how good a model is runs without.
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

/** With one entry of zeros, or one yes, where nothing was chosen: the first box of the first class. */
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

/** Runs with choices fixed by name, those that were recorded first and then never empty; null where neither runs. */
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

/** What a model chooses on these inputs; null where it chooses nothing or cannot be asked. */
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

/** A session of a model that chooses. */
export interface HoldingSession extends ExecSession {
  /** With the reference's choices whether it would run by its own or not; null where that is not possible. */
  readonly runHeld?: (feeds: Feeds) => Promise<Record<string, HostTensor> | null>;
}

export interface HoldingExecutor extends Executor {
  open(model: Model, options?: SessionOptions): Promise<HoldingSession>;
  readonly plain: Executor;
  /** Runs that needed choices to be held. */
  held(): number;
}

/** The executor itself, without anything held: for what judges models by what they find. */
export const plainOf = (executor: Executor): Executor => (executor as Partial<HoldingExecutor>).plain ?? executor;

/** @param reference the original in the form that others are cut from; null: every model is held by its own choices */
export function holdingExecutor(given: Executor, reference: Model | null = null): HoldingExecutor {
  const plain = plainOf(given);
  let count = 0;
  // Batches are run again and again: what is chosen on them is found out once.
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
            // Not the choices are to blame: the first message says what is.
            if (!out) throw e;
            return out;
          }
        },
      };
    },
  };
}

/** How boxes were come by where random numbers gave none. */
export type BoxesFrom = 'sample' | 'held';

const NOTES: Readonly<Record<BoxesFrom, string>> = {
  sample: 'The model runs only when it finds boxes, and it finds none in random numbers. Latency was measured on a sample of the data.',
  held: 'The model runs only when it finds boxes. Where it found none, latency was measured with its choice of boxes held fixed and does not include the selection.',
}; // prettier-ignore

/** What a report says of how models were measured. */
export const boxesNotes = (results: readonly { readonly boxes?: BoxesFrom }[]): string[] =>
  [...new Set(results.flatMap((r) => (r.boxes ? [r.boxes] : [])))].map((s) => NOTES[s]);

export interface Held {
  readonly ctx: StageContext;
  readonly notes: () => readonly string[];
  /** Inputs of one run, for detectors with data. */
  readonly sample: Feeds | null;
  /** Looks that fail in this process are taken in another, which can hold boxes. */
  readonly comparing: (beside: PairedBenchmark) => PairedBenchmark;
}

/** A job's context in which a detector is compared and timed even where it finds no boxes. Models that choose nothing keep theirs. */
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

/** null where there are no data. */
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
 * A task that opens detectors which random numbers give no boxes, with choices held where they need that.
 * @throws SecateurError 'boxes-needed' where that was not enough
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
