/**
 * Fixes the sizes of a model's dynamic axes once per task, so that every command runs the model at the same sizes. By
 * precedence: sizes of the data, given sizes, then a guess at which the model was seen to run and which is reported.
 */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { ExecSession, Executor } from '../engine/executor.ts';
import { weightBytes } from '../engine/ir/costs.ts';
import type { Model } from '../engine/ir/model.ts';
import { axisNames, batchAxes, fedInputs, LIKELY, operandsOf } from './axes.ts';
import { peakBytes } from './peak-memory.ts';
import { inputShapes, randomFeeds } from './random-inputs.ts';

export interface SizeOptions {
  /** Requested batch; default 1. */
  readonly batch?: number;
  /** Given sizes by axis name. */
  readonly dims?: Readonly<Record<string, number>>;
  /** Shapes of the data by input name, with the batch as first axis. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  /** Maximum bytes of a run; default: half of the free memory, and at most 8 GiB for guessed sizes. */
  readonly memory?: number;
}

export interface SettledSizes {
  /** Size of every axis except the batch. */
  readonly sizes: Readonly<Record<string, number>>;
  readonly batch: number;
  /** Names in `sizes` that were guessed. */
  readonly guessed: readonly string[];
  /** The model did not run at the requested batch: its graph fixes another one, whatever its inputs declare. */
  readonly fixedBatch: boolean;
}

const GIB = 2 ** 30;
const MOST_GUESSED = 8 * GIB;
/** Batches that a graph may fix. */
const BATCHES = [1, 2, 4, 8];
const ATTEMPTS = Math.max(...Object.values(LIKELY).map((l) => l.length));
/** Smaller inputs run without a memory estimate. */
const SMALL = 4096;

/**
 * Finds the sizes; `applySizes` makes a model use them.
 * @throws 'dim-unknown', 'dim-contradicts', 'sizes-too-large', 'sizes-not-found'; 'runtime-rejected' where nothing
 *   was guessed
 */
export async function settleSizes(model: Model, executor: Executor, options: SizeOptions = {}): Promise<SettledSizes> {
  const { known, batch } = knownSizes(model, options);
  const batches = batchAxes(model);
  const names = new Set(
    fedInputs(model)
      .flatMap(axisNames)
      .filter((n) => n !== null),
  );
  const guessed = [...names].filter(
    (n) => !batches.has(n) && !(n in known) && operandsOf(n).every((p) => !(p in known)),
  );
  const at = (b: number, attempt: number): Record<string, number> => {
    const out: Record<string, number> = {};
    for (const s of inputShapes(model, { batch: b, dims: known }, attempt))
      s.dynamic.forEach((n, axis) => n !== null && !batches.has(n) && (out[n] = s.dims[axis]!));
    return out;
  };
  const settled = (b: number, attempt: number, fixedBatch: boolean): SettledSizes => ({
    sizes: at(b, attempt),
    batch: b,
    guessed,
    fixedBatch,
  });
  if (names.size === 0) return settled(batch, 0, false);
  await checkMemory(model, executor, at(batch, 0), { ...options, batch }, guessed);
  const session = await executor.open(model, { threads: 4, optimization: 'basic', memoryPattern: false });
  try {
    const runs = (b: number, attempt: number): Promise<SecateurError | null> =>
      tried(session, randomFeeds(model, { batch: b, dims: known }, 1, attempt));
    const failure = await runs(batch, 0);
    if (failure === null) return settled(batch, 0, false);
    // The graph may fix the batch. Any other batch then fails, whatever the other sizes.
    if (batches.size > 0)
      for (const b of BATCHES) if (b !== batch && (await runs(b, 0)) === null) return settled(b, 0, true);
    for (let attempt = 1; guessed.length > 0 && attempt < ATTEMPTS; attempt++) {
      await checkMemory(model, executor, at(batch, attempt), { ...options, batch }, guessed);
      if ((await runs(batch, attempt)) === null) return settled(batch, attempt, false);
    }
    if (guessed.length === 0) throw failure;
    throw new SecateurError('sizes-not-found', {
      sizes: guessed.map((n) => `${n} = ${[...new Set(Array.from({ length: ATTEMPTS }, (_, a) => at(batch, a)[n]))].join(' or ')}`).join(', '), // prettier-ignore
      reason: String(failure.detail['reason'] ?? failure.message),
    });
  } finally {
    await session.release();
  }
}

/**
 * Makes every later run of the model, and of its copies, use the sizes. Changes `model` in place, but not its file.
 * @param batchToo also fixes the batch, whatever batch a run requests
 */
export function applySizes(model: Model, { sizes, batch, fixedBatch }: SettledSizes, batchToo = false): void {
  const batches = batchAxes(model);
  const more = batchToo && !fixedBatch ? [...batches].map((n) => [n, batch] as const) : [];
  model.sizes = new Map([...Object.entries(sizes).filter(([n]) => operandsOf(n).length === 0), ...more]);
  if (!fixedBatch) return;
  for (const v of fedInputs(model)) {
    const names = axisNames(v);
    if (v.type?.shape && names.some((n) => n !== null && batches.has(n)))
      v.type = { ...v.type, shape: v.type.shape.map((d, axis) => (names[axis] !== null && batches.has(names[axis]!) ? batch : d)) }; // prettier-ignore
  }
}

/** Notes on the sizes for a report. */
export function sizeNotes({ sizes, guessed, batch, fixedBatch }: SettledSizes, wanted: number): string[] {
  const notes: string[] = [];
  if (guessed.length > 0)
    notes.push(
      `Nothing says how large ${guessed.join(', ')} ${guessed.length > 1 ? 'are' : 'is'}: ${guessed.map((n) => `${n} = ${sizes[n]}`).join(', ')} ${guessed.length > 1 ? 'were' : 'was'} assumed. Give sizes with --dim NAME=SIZE.`,
    );
  if (fixedBatch)
    notes.push(`The model declares a batch of ${wanted} but does not run with it. The batch ${batch} is used.`);
  return notes;
}

/** Sizes from the data, given sizes, and the batch. */
function knownSizes(model: Model, { dims = {}, shapes = {}, batch = 1 }: SizeOptions) {
  const inputs = fedInputs(model);
  const batches = batchAxes(model);
  const names = new Set(inputs.flatMap((v) => axisNames(v).flatMap((n) => (n === null ? [] : [n, ...operandsOf(n)]))));
  for (const name of Object.keys(dims))
    if (!names.has(name))
      throw new SecateurError('dim-unknown', { name, known: [...names].join(', ') || 'none: all sizes are fixed' });
  const known: Record<string, number> = {};
  const from = new Map<string, string>();
  for (const v of inputs)
    axisNames(v).forEach((name, axis) => {
      const size = shapes[v.name]?.[axis];
      if (name === null || size === undefined || batches.has(name)) return;
      const said = `${size} in the data`;
      const other = name in known ? known[name] : dims[name];
      if (other !== undefined && other !== size)
        throw new SecateurError('dim-contradicts', { name, reason: `it is ${said} and ${from.get(name) ?? `${other} with --dim`}` }); // prettier-ignore
      known[name] = size;
      from.set(name, said);
    });
  let wanted: number | undefined;
  for (const [name, size] of Object.entries(dims)) {
    if (!batches.has(name)) {
      known[name] = size;
      continue;
    }
    // The batch has one size, under all of its names.
    if ((wanted ?? size) !== size || (batch !== 1 && batch !== size))
      throw new SecateurError('dim-contradicts', { name, reason: `it is ${size} with --dim, and the batch is ${batch === 1 ? wanted : batch}` }); // prettier-ignore
    wanted = size;
  }
  return { known, batch: wanted ?? batch };
}

/** Null when the model ran, else the error. */
async function tried(session: ExecSession, feeds: Parameters<ExecSession['run']>[0]): Promise<SecateurError | null> {
  try {
    await session.run(feeds);
    return null;
  } catch (e) {
    if (e instanceof SecateurError && e.code === 'runtime-rejected') return e;
    throw e;
  }
}

async function checkMemory(
  model: Model,
  executor: Executor,
  sizes: Readonly<Record<string, number>>,
  { batch, memory }: SizeOptions,
  guessed: readonly string[],
): Promise<void> {
  const elements = (s: { dims: readonly number[] }): number => s.dims.reduce((a, b) => a * b, 1);
  if (inputShapes(model, { batch: batch ?? 1, dims: sizes }).every((s) => elements(s) <= SMALL)) return;
  const free = process.availableMemory() / 2;
  const limit = memory ?? (guessed.length > 0 ? Math.min(free, MOST_GUESSED) : free);
  const activations = await peakBytes(model, executor, sizes, batch ?? 1);
  if (activations === null) return;
  const needs = activations + weightBytes(model);
  if (needs <= limit) return;
  const shown = (guessed.length > 0 ? guessed : Object.keys(sizes)).map((n) => `${n} = ${sizes[n]}`);
  const size = (n: number): string => `${(n / GIB).toPrecision(3)} GiB`;
  throw new SecateurError('sizes-too-large', { sizes: shown.join(', '), needs: size(needs), limit: size(limit) });
}
