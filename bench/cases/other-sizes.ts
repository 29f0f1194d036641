// Runs an original and its pruned model at several sizes of every dynamic axis with the runtime
// alone. It uses no code of the pipeline, so it can find a fault that the pipeline's own checks
// share.
import { spawnSync } from 'node:child_process';
import * as ort from 'onnxruntime-node';

/** Sizes per axis name: the usual size first, then others. */
export type Sizes = Readonly<Record<string, readonly number[]>>;
type Chosen = Readonly<Record<string, number>>;
type Outputs = Readonly<Record<string, ort.Tensor>>;

/** Faults of the pruned model, as sentences. */
export async function sizeProblems(original: string, pruned: string, sizes: Sizes): Promise<string[]> {
  const [a, b] = await Promise.all(
    [original, pruned].map((f) => ort.InferenceSession.create(f, { logSeverityLevel: 4 })),
  );
  const problems: string[] = [];
  try {
    for (const chosen of choices(sizes)) {
      const want = await runAt(a!, chosen);
      // The original does not run at this size either, so the pruned model cannot be judged.
      if (typeof want === 'string') continue;
      const have = await runAt(b!, chosen);
      const at = JSON.stringify(chosen);
      if (typeof have === 'string') problems.push(`fails at ${at}: ${have.slice(0, 160)}`);
      else problems.push(...shapeProblems(want, have, at));
    }
    // A model that fails at a size was reported above; the checks below need successful runs.
    if (problems.length) return problems;
    problems.push(...(await inputProblems(a!, b!, first(sizes))));
    problems.push(...(await rowProblems(b!, sizes)));
  } finally {
    await Promise.all([a!.release(), b!.release()]);
  }
  return problems;
}

const first = (sizes: Sizes): Chosen => Object.fromEntries(Object.entries(sizes).map(([k, v]) => [k, v[0]!]));

/** The usual sizes, each axis alone at another size, and all axes together. */
function choices(sizes: Sizes): Chosen[] {
  const usual = first(sizes);
  const last = Object.fromEntries(Object.entries(sizes).map(([k, v]) => [k, v.at(-1)!]));
  return [usual, ...Object.keys(sizes).map((k) => ({ ...usual, [k]: last[k]! })), last];
}

async function runAt(s: ort.InferenceSession, chosen: Chosen): Promise<Outputs | string> {
  try {
    return await s.run(feedsFor(s, chosen, 1));
  } catch (e) {
    return String(e instanceof Error ? e.message : e);
  }
}

function shapeProblems(want: Outputs, have: Outputs, at: string): string[] {
  return Object.entries(want).flatMap(([name, t]) => {
    const other = have[name];
    if (!other) return [`output ${name} is gone`];
    if (t.dims.join() !== other.dims.join())
      return [`output ${name} is ${other.dims.join('x')}, not ${t.dims.join('x')}, at ${at}`];
    return numbersOf(other).every(Number.isFinite) || !numbersOf(t).every(Number.isFinite)
      ? []
      : [`output ${name} is not finite at ${at}`];
  });
}

/**
 * Every input that changes the original's outputs must change the pruned model's outputs too;
 * otherwise the pruned model ignores it.
 */
async function inputProblems(a: ort.InferenceSession, b: ort.InferenceSession, chosen: Chosen): Promise<string[]> {
  const problems: string[] = [];
  for (const name of a.inputNames) {
    if ((await reads(a, name, chosen)) && !(await reads(b, name, chosen)))
      problems.push(`input ${name} is not read any more`);
  }
  return problems;
}

async function reads(s: ort.InferenceSession, input: string, chosen: Chosen): Promise<boolean> {
  const feeds = feedsFor(s, chosen, 1);
  const other = { ...feeds, [input]: feedsFor(s, chosen, 2)[input]! };
  // A model with noise inside differs between runs; running the same feeds twice measures by how
  // much.
  const [x, again, y] = [await s.run(feeds), await s.run(feeds), await s.run(other)];
  const distance = (p: Outputs, q: Outputs): number =>
    Math.max(
      ...s.outputNames.map((o) =>
        Math.max(...numbersOf(p[o]!).map((v, i) => Math.abs(v - (numbersOf(q[o]!)[i] ?? 0)))),
      ),
    );
  const noise = distance(x, again);
  if (noise === 0) return distance(x, y) > 1e-6;
  // Means over many runs separate the effect of the input from the noise.
  return (await meanShift(s, feeds, other)) > 0;
}

/** Distance between the mean outputs beyond four standard errors; 0 when there is none. */
async function meanShift(s: ort.InferenceSession, p: Feeds, q: Feeds): Promise<number> {
  const of = async (feeds: Feeds): Promise<number[][]> => {
    const out: number[][] = [];
    for (let i = 0; i < 60; i++) out.push(numbersOf((await s.run(feeds))[s.outputNames[0]!]!));
    return out;
  };
  const [x, y] = [await of(p), await of(q)];
  const mean = (r: number[][], k: number): number => r.reduce((sum, v) => sum + v[k]!, 0) / r.length;
  const variance = (r: number[][], k: number): number =>
    r.reduce((sum, v) => sum + (v[k]! - mean(r, k)) ** 2, 0) / r.length;
  let worst = 0;
  for (let k = 0; k < Math.min(256, x[0]!.length); k++) {
    const error = Math.sqrt((variance(x, k) + variance(y, k)) / x.length);
    worst = Math.max(worst, Math.abs(mean(x, k) - mean(y, k)) - 4.5 * error);
  }
  return worst;
}

/** Checks that row 0 of a larger batch equals the row run alone. */
async function rowProblems(s: ort.InferenceSession, sizes: Sizes): Promise<string[]> {
  const batch = 'N' in sizes ? 'N' : null;
  if (!batch) return [];
  const usual = first(sizes);
  const many = feedsFor(s, { ...usual, [batch]: sizes[batch]!.at(-1)! }, 1);
  const one: Record<string, ort.Tensor> = {};
  for (const [i, name] of s.inputNames.entries()) one[name] = firstRow(many[name]!, shapeOf(s, i).indexOf(batch));
  const [x, again, y] = [await s.run(many), await s.run(many), await s.run(one)];
  return s.outputNames.flatMap((name, i) => {
    const axis = outputShape(s, i).indexOf(batch);
    if (axis !== 0) return [];
    const [all, twice, alone] = [numbersOf(x[name]!), numbersOf(again[name]!), numbersOf(y[name]!)];
    if (all.some((v, k) => v !== twice[k])) return []; // the model draws random numbers
    const scale = Math.max(1e-6, ...alone.map(Math.abs));
    const worst = Math.max(...alone.map((v, k) => Math.abs(v - all[k]!)));
    return worst > 1e-4 * scale
      ? [`row 0 of a batch differs from the row alone by ${(worst / scale).toExponential(1)}`]
      : [];
  });
}

function firstRow(t: ort.Tensor, axis: number): ort.Tensor {
  if (axis < 0) return t;
  const inner = t.dims.slice(axis + 1).reduce((p, d) => p * d, 1);
  const size = t.dims[axis]!;
  const data = (t.data as Float32Array).filter((_, k) => Math.floor(k / inner) % size === 0);
  return new ort.Tensor(t.type, data, [...t.dims.slice(0, axis), 1, ...t.dims.slice(axis + 1)]);
}

type Feeds = Record<string, ort.Tensor>;
const shapeOf = (s: ort.InferenceSession, i: number): readonly (number | string)[] => metadata(s.inputMetadata[i]!);
const outputShape = (s: ort.InferenceSession, i: number): readonly (number | string)[] =>
  metadata(s.outputMetadata[i]!);
const metadata = (m: ort.InferenceSession.ValueMetadata): readonly (number | string)[] => (m.isTensor ? m.shape : []);

function feedsFor(s: ort.InferenceSession, chosen: Chosen, seed: number): Feeds {
  return Object.fromEntries(
    s.inputNames.map((name, i) => {
      const m = s.inputMetadata[i]!;
      if (!m.isTensor) throw new Error(`${name} is no tensor`);
      const dims = m.shape.map((d) => (typeof d === 'number' ? d : sizeOf(d, chosen)));
      return [name, tensor(m.type, dims, seed + 17 * i)];
    }),
  );
}

function sizeOf(name: string, chosen: Chosen): number {
  return name.split('+').reduce((sum, part) => {
    const size = chosen[part.trim()];
    if (size === undefined) throw new Error(`no size for axis ${part}`);
    return sum + size;
  }, 0);
}

/**
 * Numbers from a small linear congruential generator; this file shares no generator with the
 * product.
 */
function tensor(type: string, dims: readonly number[], seed: number): ort.Tensor {
  const n = dims.reduce((p, d) => p * d, 1);
  let state = seed * 2654435761;
  const next = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  if (type === 'int64')
    return new ort.Tensor(
      'int64',
      BigInt64Array.from({ length: n }, () => BigInt(1 + Math.floor(next() * 8))),
      dims,
    );
  return new ort.Tensor(
    'float32',
    Float32Array.from({ length: n }, () => next() * 2 - 1),
    dims,
  );
}

const numbersOf = (t: ort.Tensor): number[] => Array.from(t.data as Float32Array, Number);

/** The fault found by onnx.checker or Python's runtime; null when both accept the file. */
export function pythonProblem(python: string, model: string): string | null {
  const code = [
    'import sys, onnx, onnxruntime',
    'onnx.checker.check_model(onnx.load(sys.argv[1]), full_check=True)',
    'onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])',
  ].join('\n');
  const r = spawnSync(python, ['-c', code, model], { encoding: 'utf8' });
  return r.status === 0 ? null : `Python: ${(r.stderr || String(r.error)).trim().split('\n').at(-1)}`;
}
