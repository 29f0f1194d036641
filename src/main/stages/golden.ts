/** Makes golden inputs and outputs with the runtime, and replays them. */
import { SecateurError } from '../../shared/contract/errors.ts';
import { absoluteTolerance, RTOL, worstMismatch, type GoldenFile, type GoldenTensor } from '../engine/bundle/golden.ts';
import { floats } from '../engine/quality/meter.ts';
import { inOrder, type ExecSession, type HostTensor } from '../engine/executor.ts';
import type { ResultSizes } from './result-sizes.ts';
import { encodeNpy, parseNpy } from '../data/npy.ts';

type Feeds = Readonly<Record<string, HostTensor>>;

/** More than this in one case, and only one case is kept. */
const LARGE = 4 * 2 ** 20;

/** A tolerance this many times our own is no check any more. */
const WIDEST = 20;

export interface Golden {
  readonly spec: GoldenFile;
  /** .npy files by path inside the bundle. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** Values that can be compared: half floats become numbers. */
const numbers = (t: HostTensor): ArrayLike<number | bigint> => floats(t) ?? t.data;

/**
 * Runs the model on each set of inputs.
 * @param at other sizes of dynamic axes that the model was seen to run at; their inputs, where small, are the last case
 * @throws 'bundle-invalid' when an output is not finite */
export async function makeGolden(
  session: ExecSession,
  cases: readonly Feeds[],
  origin: GoldenFile['origin'],
  seed: number,
  at?: Pick<ResultSizes, 'sizes' | 'feeds'>,
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
  /** True when it was small. */
  const add = async (feeds: Feeds): Promise<boolean> => {
    const k = done.length;
    const outputs = await session.run(feeds);
    for (const [name, t] of inOrder(outputs, session.outputNames)) {
      const values = numbers(t);
      if (Array.from(values as ArrayLike<number>).some((x) => !Number.isFinite(Number(x))))
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
  return { spec: { rtol: RTOL, atol, origin, seed, ...(at && { sizes: at.sizes }), cases: done }, files };
}

export interface Replay {
  readonly ok: boolean;
  readonly detail: string;
  /** Of the first case: for measuring on real values. */
  readonly feeds: Feeds;
}

/** Replays golden cases; `read` gives a file of the bundle. Never throws for wrong outputs: they are the answer. */
export async function replayGolden(
  session: ExecSession,
  spec: GoldenFile,
  read: (file: string) => Promise<Uint8Array>,
): Promise<Replay> {
  const tensor = async (t: GoldenTensor): Promise<HostTensor> => {
    const a = parseNpy(await read(t.file), t.file);
    return { dtype: a.dtype, dims: a.shape, data: a.data };
  };
  let first: Feeds = {},
    worst = 0;
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
      if (out.dtype !== want.dtype || out.dims.join() !== want.dims.join()) {
        const detail = `case ${k}: output ${t.name} has the shape (${out.dims.join(', ')}), wanted (${want.dims.join(', ')})`;
        return { ok: false, detail, feeds: first };
      }
      const m = worstMismatch(numbers(want), numbers(out), spec.rtol, spec.atol[t.name] ?? 0);
      worst = Math.max(worst, m.excess);
      if (m.excess > 1) {
        const detail = `case ${k}: output ${t.name} differs at element ${m.index}: ${m.got}, wanted ${m.want}`;
        return { ok: false, detail, feeds: first };
      }
    }
  }
  return {
    ok: true,
    detail: `${spec.cases.length} cases, largest difference ${(100 * worst).toPrecision(2)} % of the tolerance`,
    feeds: first,
  };
}
