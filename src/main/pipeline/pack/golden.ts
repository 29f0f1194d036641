/** Creates golden inputs and outputs with the runtime, and replays them. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import {
  absoluteTolerance,
  RTOL,
  worstMismatch,
  type GoldenFile,
  type GoldenTensor,
} from '../../engine/bundle/golden.ts';
import type { RandomOutputs } from '../../engine/ir/dependence.ts';
import { floats } from '../../engine/heads/support/values.ts';
import { inOrder, type ExecSession, type HostTensor } from '../../engine/executor.ts';
import type { ResultSizes } from './result-sizes.ts';
import { encodeNpy, parseNpy } from '../../data/npy.ts';

type Feeds = Readonly<Record<string, HostTensor>>;

/** When one case exceeds this size, only that case is stored. */
const LARGE = 4 * 2 ** 20;

/** A tolerance larger than this multiple of the default checks nothing. */
const WIDEST = 20;

export interface Golden {
  readonly spec: GoldenFile;
  /** .npy files by path inside the bundle. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

const isFinite = (values: ArrayLike<number | bigint>): boolean =>
  Array.from(values as ArrayLike<number>).every((x) => Number.isFinite(Number(x)));

/** Comparable values: half floats become numbers. */
const numbers = (t: HostTensor): ArrayLike<number | bigint> => floats(t) ?? t.data;

export interface GoldenOptions {
  /**
   * Other sizes of dynamic axes at which the model was seen to run. Their inputs, when small, form
   * the last case.
   */
  readonly at?: Pick<ResultSizes, 'sizes' | 'feeds'> | undefined;
  /** Outputs that are random. */
  readonly random?: RandomOutputs;
}

/**
 * Runs the model on each set of inputs and records the outputs.
 * @throws 'bundle-invalid' when an output is not finite
 */
export async function makeGolden(
  session: ExecSession,
  cases: readonly Feeds[],
  origin: GoldenFile['origin'],
  seed: number,
  { at, random }: GoldenOptions = {},
): Promise<Golden> {
  const files = new Map<string, Uint8Array>(),
    atol: Record<string, number> = {},
    done: { inputs: GoldenTensor[]; outputs: GoldenTensor[] }[] = [];
  const store = (k: number, kind: string, tensors: Feeds, names: readonly string[]): GoldenTensor[] =>
    inOrder(tensors, names).map(([name, t], i) => {
      const file = `golden/case${k}_${kind}${i}.npy`;
      files.set(file, encodeNpy(t));
      return { name, file };
    });
  /** Returns true when the case was small. */
  const add = async (feeds: Feeds): Promise<boolean> => {
    const k = done.length;
    const outputs = await session.run(feeds);
    for (const [name, t] of inOrder(outputs, session.outputNames)) {
      const values = numbers(t);
      if (!isFinite(values))
        throw new SecateurError('bundle-invalid', {
          path: 'The new bundle',
          reason: `output ${name} of the model is not finite`,
        });
      atol[name] = Math.max(atol[name] ?? 0, absoluteTolerance(values));
    }
    done.push({
      inputs: store(k, 'input', feeds, session.inputNames),
      outputs: store(k, 'output', outputs, session.outputNames),
    });
    return [...Object.values(feeds), ...Object.values(outputs)].reduce((n, t) => n + t.data.byteLength, 0) <= LARGE;
  };
  let small = true;
  for (const feeds of cases) if (!(small = await add(feeds))) break;
  if (small && at?.feeds) await add(at.feeds);
  const drawn = random && random.names.size > 0 && { random: true as const, randomOutputs: [...random.names] };
  return { spec: { rtol: RTOL, atol, origin, seed, ...drawn, ...(at && { sizes: at.sizes }), cases: done }, files };
}

export interface Replay {
  readonly ok: boolean;
  readonly detail: string;
  /** Inputs of the first case, for measuring on real values. */
  readonly feeds: Feeds;
}

const NONE: RandomOutputs = { names: new Set(), unsized: new Set() };

/** A false claim of randomness would leave numbers unchecked. */
function falseRandom(spec: GoldenFile, random: RandomOutputs): string | null {
  const claimed = spec.randomOutputs ?? [];
  const other = claimed.find((name) => !random.names.has(name));
  if (other !== undefined) return `output ${other} is called random, and nothing that it is made of is`;
  return spec.random && random.names.size === 0 ? 'the model is called random, and no output of it is' : null;
}

/**
 * Replays golden cases; `read` returns a file of the bundle. Wrong outputs do not throw; they are
 * part of the answer.
 * @param random outputs that the model really draws, whatever the bundle says: their numbers are
 * not compared
 */
export async function replayGolden(
  session: ExecSession,
  spec: GoldenFile,
  read: (file: string) => Promise<Uint8Array>,
  random: RandomOutputs = NONE,
): Promise<Replay> {
  const tensor = async (t: GoldenTensor): Promise<HostTensor> => {
    const a = parseNpy(await read(t.file), t.file);
    return { dtype: a.dtype, dims: a.shape, data: a.data };
  };
  let first: Feeds = {},
    worst = 0;
  const lie = falseRandom(spec, random);
  if (lie) return { ok: false, detail: lie, feeds: first };
  const largest: Record<string, number> = {};
  for (const c of spec.cases)
    for (const t of c.outputs)
      largest[t.name] = Math.max(largest[t.name] ?? 0, absoluteTolerance(numbers(await tensor(t))));
  for (const [name, most] of Object.entries(largest))
    if ((spec.atol[name] ?? 0) > most * WIDEST)
      return { ok: false, detail: `the tolerance of output ${name} is too wide to prove anything`, feeds: first };
  for (const [k, c] of spec.cases.entries()) {
    const feeds: Record<string, HostTensor> = {};
    for (const t of c.inputs) feeds[t.name] = await tensor(t);
    if (k === 0) first = feeds;
    const missing = session.outputNames.filter((n) => !c.outputs.some((o) => o.name === n));
    if (missing.length)
      return { ok: false, detail: `case ${k} has no golden values for output ${missing[0]}`, feeds: first };
    const got = await session.run(feeds);
    for (const t of c.outputs) {
      const want = await tensor(t),
        out = got[t.name];
      if (!out) return { ok: false, detail: `case ${k}: the model has no output ${t.name}`, feeds: first };
      const drawn = random.names.has(t.name);
      const alike = random.unsized.has(t.name)
        ? out.dims.length === want.dims.length
        : out.dims.join() === want.dims.join();
      if (out.dtype !== want.dtype || !alike) {
        const detail = `case ${k}: output ${t.name} has the shape (${out.dims.join(', ')}), wanted (${want.dims.join(', ')})`;
        return { ok: false, detail, feeds: first };
      }
      if (drawn) {
        if (isFinite(numbers(out))) continue;
        return { ok: false, detail: `case ${k}: the random output ${t.name} is not finite`, feeds: first };
      }
      const m = worstMismatch(numbers(want), numbers(out), spec.rtol, spec.atol[t.name] ?? 0);
      worst = Math.max(worst, m.excess);
      if (m.excess > 1) {
        const detail = `case ${k}: output ${t.name} differs at element ${m.index}: ${m.got}, wanted ${m.want}`;
        return { ok: false, detail, feeds: first };
      }
    }
  }
  const compared = `largest difference ${(100 * worst).toPrecision(2)} % of the tolerance`;
  const names = session.outputNames.filter((n) => random.names.has(n));
  const drawn = `the model is random: of ${names.join(', ')} only name, type, shape and finiteness were checked`;
  const parts = [
    `${spec.cases.length} cases`,
    ...(names.length < session.outputNames.length ? [compared] : []),
    ...(names.length > 0 ? [drawn] : []),
  ];
  return { ok: true, detail: parts.join(', '), feeds: first };
}
