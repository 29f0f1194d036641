/**
 * Guards against baked-in sizes: a cut model that is correct at the size of the analysis may have
 * replaced a run-time size by a constant. Every dynamic axis is therefore run at a second size,
 * each alone and all together, and the cut model is compared with the masked one. An axis at which
 * the original runs at a single size proves nothing about a cut.
 */
import { totalmem } from 'node:os';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { ExecSession, Executor, HostTensor } from '../../engine/executor.ts';
import { dataDependent, isRandom } from '../../engine/ir/dependence.ts';
import { readsOf } from '../../engine/ir/reads.ts';
import { byteSize, DType, elementCount } from '../../engine/ir/dtype.ts';
import type { Facts } from '../../engine/ir/facts.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { Value } from '../../engine/ir/value.ts';
import { traitsOf } from '../../engine/ops/registry.ts';
import { maskModel } from '../../engine/structures/mask.ts';
import type { Cut } from '../../engine/structures/choices.ts';
import type { Subject } from '../../engine/structures/contract.ts';
import { applyPlan } from '../../engine/structures/apply.ts';
import { difference } from '../../engine/quality/difference.ts';
import { floats } from '../../engine/heads/support/values.ts';
import { fedInputs, inputShapes, randomTensor } from '../../runtime/random-inputs.ts';
import { feedsAt, namedSizes, otherSizes, trySizes, type Sizes } from '../../runtime/size-trials.ts';
import type { StageContext } from '../context.ts';
import type { Prepared } from '../prepare/prepare.ts';

type Feeds = Readonly<Record<string, HostTensor>>;

/**
 * Rounding error relative to an output's largest value; when the error at the first size is larger,
 * several times that error.
 */
const TOLERANCE = 1e-3;
const HALF_TOLERANCE = 1e-2;
const OF_FIRST = 5;
/**
 * Memory limit for all values of a run together. A runtime that frees values after use needs a
 * small part of it.
 */
const MOST_BYTES = Math.min(8 * 2 ** 30, totalmem() / 4);

/** Values that depend on a selection: different rounding may select other elements. */
export function selected(model: Model): Set<Value> {
  const depends = dataDependent(model);
  const out = new Set<Value>();
  for (const n of model.graph.nodes())
    if (n.outputs.some((v) => depends.has(v)) && (traitsOf(n).selection || n.inputs.some((v) => v && out.has(v))))
      for (const v of n.outputs) out.add(v);
  return out;
}

/**
 * Names of outputs that every correct computation reproduces: they depend on no selection and no
 * random numbers.
 */
export function steadyOutputs(model: Model): Set<string> {
  const unsteady = selected(model);
  for (const n of model.graph.nodes())
    if (isRandom(n) || [...readsOf(n)].some((v) => unsteady.has(v))) for (const v of n.outputs) unsteady.add(v);
  return new Set(model.graph.outputs.filter((v) => !unsteady.has(v)).map((v) => v.name));
}

/** The sizes at which a model runs: one size of every axis first, then others. */
export interface Runs {
  readonly first: Feeds;
  readonly firstSizes: Sizes;
  readonly others: readonly { readonly changed: Sizes; readonly feeds: Feeds }[];
  /** Trials that were not possible, as ends of sentences. */
  readonly notes: readonly string[];
}

/**
 * Uses three samples, because two rows may agree by chance with a size that has another meaning.
 */
const others = (size: number): number[] => (size === 1 ? [3, 2] : otherSizes(size));

/** Text such as `batch = 3, width = 48`. */
export const sayAll = (sizes: Sizes): string =>
  Object.entries(sizes)
    .map(([name, n]) => `${name} = ${n}`)
    .join(', ');

/** Bytes of all values at other axis sizes, computed from the facts of one run. */
function bytesAt(facts: Facts, now: ReadonlyMap<string, number>, changed: Sizes): number {
  let sum = 0;
  for (const f of facts.values()) {
    let bytes = byteSize(f.dtype, f.shape) ?? 4 * elementCount(f.shape);
    for (const name of f.dynamic ?? []) if (name !== null && name in changed) bytes *= changed[name]! / now.get(name)!;
    sum += bytes;
  }
  return sum;
}

/**
 * Finds sizes at which `original` runs.
 * @param facts facts of `original` at the sizes of its analysis
 * @param only axes that may change; default: all
 */
export async function sizesOf(
  original: Model,
  facts: Facts,
  executor: Executor,
  only?: ReadonlySet<string>,
): Promise<Runs> {
  const first: Record<string, HostTensor> = {};
  for (const [i, v] of fedInputs(original).entries()) {
    const f = facts.get(v)!;
    first[v.name] = randomTensor(f.dtype, f.shape, i + 1);
  }
  const inputs = inputShapes(original).map((s) => ({ ...s, dims: first[s.name]!.dims }));
  const now = namedSizes(inputs);
  const notes: string[] = [];
  const free = new Map([...now].filter(([name]) => !only || only.has(name)));
  if (free.size === 0) return { first, firstSizes: {}, others: [], notes };
  const session = await executor.open(original, { optimization: 'basic', memoryPattern: false });
  const attempt = async (changed: Sizes): Promise<Feeds | null> => {
    if (bytesAt(facts, now, changed) > MOST_BYTES) {
      notes.push(`${sayAll(changed)} was not tried: it would take too much memory`);
      return null;
    }
    const feeds = feedsAt(original, first, now, changed);
    return session.run(feeds).then(
      () => feeds,
      () => null,
    );
  };
  try {
    const { trials, stuck } = await trySizes(free, attempt, others);
    for (const name of stuck) notes.push(`the original runs at one size of ${name} only (${now.get(name)})`);
    const runs = trials.map((t) => ({ changed: t.changed, feeds: t.result }));
    if (runs.length > 1) {
      const all: Sizes = Object.assign({}, ...runs.map((r) => r.changed));
      const feeds = await attempt(all);
      if (feeds) runs.push({ changed: all, feeds });
      else notes.push(`the original does not run with ${sayAll(all)} at once`);
    }
    return { first, firstSizes: Object.fromEntries(now), others: runs, notes };
  } finally {
    await session.release();
  }
}

export const asNumbers = (out: Feeds, names: ReadonlySet<string>): Feeds =>
  Object.fromEntries(
    Object.entries(out).flatMap(([name, t]) => (names.has(name) ? [[name, { ...t, data: floats(t) ?? t.data }]] : [])),
  );

export async function opened<T>(
  executor: Executor,
  model: Model,
  use: (session: ExecSession) => Promise<T>,
): Promise<T> {
  const session = await executor.open(model, { optimization: 'basic', memoryPattern: false });
  try {
    return await use(session);
  } finally {
    await session.release();
  }
}

export interface AtSizes {
  /** Faults of the cut model, as ends of sentences that name the axis and its sizes. */
  readonly faults: readonly string[];
  readonly notes: readonly string[];
  readonly runs: Runs;
}

/**
 * Compares a cut model with the masked one at a second size of every dynamic axis, each alone and
 * all together.
 */
export async function atSecondSizes(p: Subject, plan: Cut, executor: Executor): Promise<AtSizes> {
  const runs = await sizesOf(p.model, p.facts, executor);
  if (runs.others.length === 0) return { faults: [], notes: runs.notes, runs };
  const masked = maskModel(p, plan);
  const cut = applyPlan(p, plan).model;
  return { ...(await compareAt(runs, masked, cut, steadyOutputs(p.model), executor)), runs };
}

/** @internal */
export async function compareAt(
  runs: Runs,
  masked: Model,
  cut: Model,
  steady: ReadonlySet<string>,
  executor: Executor,
): Promise<{ faults: string[]; notes: string[] }> {
  const [faults, notes] = [[] as string[], [...runs.notes]];
  const tolerance = [...masked.graph.initializers].some((v) => v.initializer && isHalf(v.initializer.dtype))
    ? HALF_TOLERANCE
    : TOLERANCE;
  const distance = (a: Feeds, b: Feeds): number => difference(asNumbers(a, steady), asNumbers(b, steady));
  await opened(executor, masked, async (whole) =>
    opened(executor, cut, async (narrow) => {
      let first: number;
      try {
        first = distance(await whole.run(runs.first), await narrow.run(runs.first));
      } catch (e) {
        if (!isRejection(e)) throw e;
        notes.push(`other sizes were not tried, because the first does not run: ${e.message}`);
        return;
      }
      if (!Number.isFinite(first)) {
        notes.push('other sizes were not tried, because random inputs give no finite outputs');
        return;
      }
      for (const { changed, feeds } of runs.others) {
        const from = sayAll(Object.fromEntries(Object.keys(changed).map((n) => [n, runs.firstSizes[n]!])));
        const want = await runOrReason(whole, feeds);
        const got = await runOrReason(narrow, feeds);
        if (typeof got === 'string') faults.push(`it runs at ${from}, but not at ${sayAll(changed)} (${got})`);
        else if (typeof want === 'string') notes.push(`the masked model does not run at ${sayAll(changed)}: ${want}`);
        else {
          const error = distance(want, got);
          if (error > Math.max(tolerance, OF_FIRST * first))
            faults.push(`right at ${from}, but at ${sayAll(changed)} ${wrong(error)}`);
        }
      }
    }),
  );
  return { faults, notes };
}

const isHalf = (dtype: number): boolean => dtype === DType.FLOAT16 || dtype === DType.BFLOAT16;

export async function runOrReason(session: ExecSession, feeds: Feeds): Promise<Feeds | string> {
  try {
    return await session.run(feeds);
  } catch (e) {
    if (!isRejection(e)) throw e;
    return reasonOf(e);
  }
}

const wrong = (error: number): string =>
  Number.isFinite(error)
    ? `it differs from the masked model by ${error.toExponential(1)} of an output's range`
    : 'its outputs have other shapes than those of the masked model, or are not finite';

const isRejection = (e: unknown): e is SecateurError => e instanceof SecateurError && e.code === 'runtime-rejected';

const reasonOf = (e: SecateurError): string => String(e.detail.reason ?? e.message);

/** @throws SecateurError 'own-cut-failed' naming axis and sizes */
export async function guardCut(p: Prepared, plan: Cut, ctx: Pick<StageContext, 'executor'>): Promise<AtSizes> {
  const found = await atSecondSizes(p, plan, ctx.executor);
  if (found.faults.length > 0) throw new SecateurError('own-cut-failed', { reason: found.faults.join('; ') });
  return found;
}
