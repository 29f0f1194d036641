/**
 * Compensation for fewer tokens. Linear operators behind a cut of tokens are refitted, front to back, so that the sums
 * they add to come near what the original computes for the same tokens. The fit sees the error of all layers before it,
 * since the other addend is the cut model's own. Affine least squares as for channels (`least-squares.ts`).
 */
import type { Executor, HostTensor } from '../executor.ts';
import { DType } from '../ir/dtype.ts';
import type { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';
import type { TokenCut } from '../structures/tokens/cut.ts';
import { ActivationCache } from './activation-cache.ts';
import { refit } from './least-squares.ts';
import { isLinear, otherAddend, regressionOf, sumOf, type Regression } from './regression.ts';
import { ENOUGH } from './rows.ts';

/** Pull towards the present weights, as for candidates of plans. */
const RIDGE = 1e-3;

/** Widest Gram matrix, as for channels. */
const MOST_COLUMNS = 2048;

export interface TokenFit {
  readonly node: string;
  /** Remaining relative squared error. */
  readonly error: number;
}

/** How to fit. Several ways are tried side by side on the same samples. */
export interface FitWay {
  /** Pull towards the present weights; default 1e-3. */
  readonly ridge?: number;
  /** Weight of all fixed tokens together over that of all others; default 1. Each counts as one token at least. */
  readonly fixedWeight?: number;
}

interface Options {
  readonly threads: number;
  /** Leading tokens that always stay. */
  readonly fixed: number;
  /** 0..1, with the fitted operator. */
  readonly onProgress?: (done: number, node: string) => void;
}

/**
 * Changes the weights of the cut models in place, each in its own way. The ways go from operator to operator together: the
 * original's values are computed once for all, and so is what lies in front of the first fit.
 * @param original the model that was cut
 * @param tried the same cut, made anew for each way
 * @param batches calibration feeds; they are held with the inputs of one operator at a time, for each way
 * @returns the fits of each way
 */
export async function fitFewerTokens(
  executor: Executor,
  original: Model,
  tried: readonly { readonly cut: TokenCut; readonly way: FitWay }[],
  batches: readonly Readonly<Record<string, HostTensor>>[],
  o: Options,
): Promise<TokenFit[][]> {
  const before = new ActivationCache(executor, original, batches, o.threads);
  const ways = tried.map(({ cut, way }) => ({
    ...way,
    list: fittable(cut),
    after: new ActivationCache(executor, cut.model, batches, o.threads),
    fits: [] as TokenFit[],
  }));
  const first = ways[0]!;
  const shown = await shownTokens(tried[0]!.cut, first.after);
  for (const [i, { regression, steps, target }] of first.list.entries()) {
    o.onProgress?.(i / first.list.length, regression.node.label);
    const index = steps > 0 ? shown[steps - 1]! : null;
    const [wanted] = await before.get(target);
    // Up to the first fit, all ways compute the same.
    if (ways.every((w) => w.fits.length === 0)) {
      await first.after.get(...readsOf(first.list[i]!));
      for (const way of ways) way.after.takeFrom(first.after);
    }
    for (const way of ways) {
      const f = way.list[i]!;
      const [x, base = null] = await way.after.get(...readsOf(f));
      const rows = rowsFor(index, { fixed: o.fixed, weight: way.fixedWeight ?? 1 }, { x: x!, target: wanted!, base });
      if (!rows || rowCount(x!, f.regression.columns) < ENOUGH * f.regression.columns) continue;
      const fitted = await refit(executor, f.regression, { ...rows, kept: null }, { threads: o.threads, ridge: way.ridge ?? RIDGE, activation: null }); // prettier-ignore
      if (Number.isNaN(fitted.error)) continue;
      way.fits.push({ node: regression.node.label, error: fitted.error });
      way.after.forget(f.regression.node.output());
      way.after.passed(f.regression.node);
    }
    before.passed(target.producer!);
  }
  return ways.map((w) => w.fits);
}

/** An operator, and the values that its result is compared with. */
interface Fittable {
  readonly regression: Regression;
  /** Value of the original that the sum, or the operator where there is no sum, should equal. */
  readonly target: Value;
  /** Other addend of the sum, in the cut model. */
  readonly base: Value | null;
  /** Selections in front of the operator. */
  readonly steps: number;
}

/** Values of the cut model that a fit reads. */
const readsOf = ({ regression, base }: Fittable): Value[] => [regression.node.input(0)!, ...(base ? [base] : [])];

/** Operators behind the first selection whose result is added to others, or is one row per sample. */
function fittable({ model, values, selected }: TokenCut): Fittable[] {
  const originals = new Map([...values].map(([from, to]) => [to, from]));
  const order = new Map([...model.graph.nodes()].map((n, i) => [n, i]));
  const at = selected.map(({ index }) => order.get(index.producer!)!);
  const out: Fittable[] = [];
  for (const [node, i] of order) {
    const steps = at.filter((s) => s < i).length;
    if (steps === 0 || !isLinear(node)) continue;
    const regression = regressionOf(node);
    if (typeof regression === 'string' || regression.columns > MOST_COLUMNS || regression.groups > 1) continue;
    const sum = sumOf(regression.out);
    const added = sum !== regression.out;
    const target = originals.get(sum);
    if (!target || !(added || isHead(node, target))) continue;
    out.push({ regression, target, base: added ? otherAddend(sum.producer!, regression.out) : null, steps });
  }
  return out;
}

/** True for the last linear operator on the way to an output of the model. */
function isHead(node: Node, target: Value): boolean {
  const open = [...node.outputs];
  for (let v = open.pop(); v; v = open.pop())
    for (const n of v.consumers()) {
      if (isLinear(n)) return false;
      open.push(...n.outputs);
    }
  return (target.type?.shape?.length ?? 2) <= 2;
}

/** Indices of the shown tokens among all of them, behind each selection and per batch: int64 [B, K]. */
async function shownTokens({ selected }: TokenCut, after: ActivationCache): Promise<(readonly HostTensor[])[]> {
  const out: (readonly HostTensor[])[] = [];
  for (const { index } of selected) {
    const [own] = await after.get(index);
    const last = out.at(-1);
    out.push(last ? own!.map((t, i) => through(last[i]!, t)) : own!);
  }
  return out;
}

/** Entries of `all` [B, N] at `index` [B, K]. */
function through(all: HostTensor, index: HostTensor): HostTensor {
  const [from, at] = [all.data as BigInt64Array, index.data as BigInt64Array];
  const [n, k] = [all.dims[1]!, index.dims[1]!];
  return { ...index, data: at.map((j, i) => from[Math.floor(i / k) * n + Number(j)]!) };
}

interface Rows {
  readonly x: readonly HostTensor[];
  readonly target: readonly HostTensor[];
  readonly base: readonly HostTensor[] | null;
}

/**
 * Rows of the tokens that are shown. Fixed tokens are what most outputs are read from, so they may count more than others:
 * their rows are repeated. Null where the values are no rows of tokens.
 * @param index int64 [B, K] per batch
 */
function rowsFor(
  index: readonly HostTensor[] | null,
  { fixed, weight }: { readonly fixed: number; readonly weight: number },
  { x, target, base }: Rows,
): Rows | null {
  const rank = x[0]!.dims.length;
  if (rank === 2) return target[0]!.dims.length === 2 ? { x, target, base } : null;
  if (rank !== 3 || !index || x[0]!.dims[1] !== index[0]!.dims[1] || target[0]!.dims.length !== 3) return null;
  const count = index[0]!.dims[1]!;
  const times = fixed === 0 ? 1 : Math.max(1, Math.round((weight * (count - fixed)) / fixed));
  const repeated = Array.from({ length: fixed * (times - 1) }, (_, i) => i % fixed);
  const own = [...repeated, ...Array.from({ length: count }, (_, i) => i)];
  const all = (tensors: readonly HostTensor[]): HostTensor[] => tensors.map((t) => gather(t, () => own));
  const wanted = target.map((t, i) => {
    const at = index[i]!.data as BigInt64Array;
    return gather(t, (sample) => own.map((k) => Number(at[sample * count + k]!)));
  });
  return { x: all(x), target: wanted, base: base && all(base) };
}

/** Rows of [B, N, D] at the indices of each sample. */
function gather(t: HostTensor, indices: (sample: number) => readonly number[]): HostTensor {
  const [samples, n, width] = t.dims as readonly [number, number, number];
  const from = t.data as Float32Array;
  const k = indices(0).length;
  const data = new Float32Array(samples * k * width);
  for (let s = 0; s < samples; s++)
    for (const [i, at] of indices(s).entries())
      data.set(from.subarray((s * n + at) * width, (s * n + at + 1) * width), (s * k + i) * width);
  return { dtype: DType.FLOAT, dims: [samples, k, width], data };
}

const rowCount = (x: readonly HostTensor[], columns: number): number =>
  x.reduce((n, t) => n + t.data.length / columns, 0);
