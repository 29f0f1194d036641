/**
 * Fits the weights of one linear operator to a target by ridge regression towards its present weights. The runtime
 * computes Gram matrices in float32 per batch; they are added and solved in float64.
 */
import { GraphBuilder } from '../autodiff/builder.ts';
import { importDomains } from '../autodiff/walker.ts';
import type { Executor, HostTensor } from '../executor.ts';
import { DType } from '../ir/dtype.ts';
import { Graph } from '../ir/graph.ts';
import { Model } from '../ir/model.ts';
import type { Value } from '../ir/value.ts';
import { cholesky, choleskyInverse, choleskySolveT } from '../linalg.ts';
import { eliminateDead, runPasses } from '../passes/index.ts';
import { convGeometry } from '../ops/support/spatial.ts';
import { channelGram, im2colGram, im2colMeans, thin, type Gram } from '../statistics/grams.ts';
import { biasOf, channelAxis, readWeights, vectorOf, writeWeights, type Regression } from './regression.ts';

const OPSET = 17;

export interface Samples {
  /** Input of the operator, per batch. */
  readonly x: readonly HostTensor[];
  /** Values at the sampled positions. */
  readonly target: readonly HostTensor[];
  /** Channels of the target that stay, or null for all. */
  readonly kept: readonly number[] | null;
  /** Values at all positions. */
  readonly base: readonly HostTensor[] | null;
}

export interface FitOptions {
  readonly threads: number;
  /** Strength of the pull towards the present weights, relative to the mean of the Gram's diagonal. */
  readonly ridge: number;
  /** Only the activation's output must match: where it cuts off both target and prediction, any value is correct. */
  readonly activation: 'relu' | null;
  /** Samples every n-th output position along each spatial axis. */
  readonly every?: number;
}

/** Factorization for one group. A refit on the same inputs can reuse it; only the target may differ. */
export interface Normal {
  /** Lower factor of the Gram of the inputs and a one, [columns + 1, columns + 1], with the ridge on its diagonal. */
  readonly factor: Float64Array;
  readonly pull: number;
}

/** Moments of one regression, summed over the added batches. */
export class Moments {
  readonly regression: Regression;
  /** Moments of the inputs and a one, [columns + 1, columns + 1] per group. */
  readonly grams: readonly Float64Array[];
  /** Moments of the target with the inputs and a one, [rows, columns + 1]. */
  readonly cross: Float64Array;
  /** Sum of squares of the target. */
  power = 0;

  /** @param inputs false to add only the target's moments */
  constructor(regression: Regression, inputs = true) {
    const n = regression.columns + 1;
    this.regression = regression;
    this.grams = inputs ? Array.from({ length: regression.groups }, () => new Float64Array(n * n)) : [];
    this.cross = new Float64Array(regression.rows * n);
  }

  /**
   * @param out results of `emitMoments` for a batch
   * @param target of that batch
   */
  add(out: Readonly<Record<string, HostTensor>>, target: HostTensor): void {
    const { rows, columns: k } = this.regression;
    const data = (name: string): Float32Array => out[name]!.data as Float32Array;
    const count = target.data.length / target.dims[channelAxis(this.regression, target.dims.length)]!;
    for (const [g, gram] of this.grams.entries()) {
      const [x, sum] = [data('gram').subarray(g * k * k, (g + 1) * k * k), data('sum').subarray(g * k, (g + 1) * k)];
      addGram(gram, x, sum, count, k);
    }
    const [c, t, into] = [data('cross'), data('targetSum'), this.cross];
    for (let m = 0; m < rows; m++) {
      for (let b = 0; b < k; b++) into[m * (k + 1) + b]! += c[m * k + b]!;
      into[m * (k + 1) + k]! += t[m]!;
    }
    this.power += data('power')[0]!;
  }
}

/**
 * Refits weight and bias in place; adds a missing bias. Returns the remaining relative error, NaN where there is no
 * solution.
 */
export async function refit(
  executor: Executor,
  r: Regression,
  s: Samples,
  o: FitOptions,
  known: readonly (Normal | null)[] | null = null,
): Promise<{ error: number; normal: readonly (Normal | null)[] }> {
  const moments = new Moments(r, known === null);
  const session = await executor.open(momentsModel(r, s, o, known === null), { threads: o.threads });
  try {
    for (const [i, x] of s.x.entries())
      moments.add(await session.run({ x, target: s.target[i]!, ...(s.base && { base: s.base[i]! }) }), s.target[i]!);
  } finally {
    await session.release();
  }
  return solveMoments(executor, moments, o, known);
}

/** The second half of `refit`: solves for the weights once the moments are complete. */
export async function solveMoments(
  executor: Executor,
  { regression: r, grams, cross, power }: Moments,
  o: Pick<FitOptions, 'ridge' | 'threads'>,
  known: readonly (Normal | null)[] | null = null,
): Promise<{ error: number; normal: readonly (Normal | null)[] }> {
  const k = r.columns;
  const n = k + 1;
  const per = r.rows / r.groups;
  if (!r.affine) for (const gram of grams) withoutBias(gram, n);
  if (!r.affine) for (let m = 0; m < r.rows; m++) cross[m * n + k] = 0;
  const normal = known ?? grams.map((gram) => factorize(gram, n, o.ridge));
  if (normal.every((x) => x === null)) return { error: NaN, normal };
  // W = (C + d W0)(G + d I)^-1 per output. The bias (last column) is not regularized.
  const w0 = readWeights(r);
  const weights = w0.slice();
  // |Y - WX|^2 = |Y|^2 - 2 tr(W C') + tr(W G W'), where W G = C + d (W0 - W).
  let error = power;
  for (const [g, found] of normal.entries()) {
    // Inputs that are always zero carry no information: their weights stay unchanged.
    if (!found) continue;
    const rows = cross.subarray(g * per * n, (g + 1) * per * n);
    const old = w0.subarray(g * per * n, (g + 1) * per * n);
    const right = rows.slice();
    for (let m = 0; m < per; m++) for (let a = m * n; a < m * n + k; a++) right[a]! += found.pull * old[a]!;
    const solved = await solveRows(executor, found.factor, right, n, per, o.threads);
    weights.set(solved, g * per * n);
    for (let m = 0; m < per; m++)
      for (let a = 0; a < n; a++) {
        const i = m * n + a;
        const w = solved[i]!;
        error -= w * rows[i]! - (a < k ? found.pull * w * (old[i]! - w) : 0);
      }
  }
  writeWeights(r, weights);
  return { error: power > 0 ? Math.max(0, error) / power : 0, normal };
}

/** Decouples the last column, so that its solution equals its right-hand side, which is zero. */
function withoutBias(gram: Float64Array, n: number): void {
  for (let a = 0; a < n; a++) gram[a * n + n - 1] = gram[(n - 1) * n + a] = 0;
  gram[n * n - 1] = 1;
}

/** From this number of multiplications on, the runtime's float64 matrix product is worth the cost of a session. */
const LARGE = 2e7;

/** B (L L')^-1 for B[m, n]. */
async function solveRows(
  executor: Executor,
  factor: Float64Array,
  right: Float64Array,
  n: number,
  m: number,
  threads: number,
): Promise<Float64Array> {
  // The inverse takes as long as solving for about 2/3 n rows.
  if (m < n || m * n * n < LARGE) return choleskySolveT(factor, right, n, m);
  const model = new Model(new Graph());
  model.opsets.set('', OPSET);
  const { graph } = model;
  const input = (name: string, shape: number[]): Value => graph.addInput(name, { elemType: DType.DOUBLE, shape });
  const [out] = graph.emit('MatMul', [input('b', [m, n]), input('inverse', [n, n])], { outputName: 'x' });
  out!.type = { elemType: DType.DOUBLE, shape: [m, n] };
  graph.outputs.push(out!);
  const session = await executor.open(model, { threads });
  try {
    const matrix = (data: Float64Array, rows: number): HostTensor => ({ dtype: DType.DOUBLE, dims: [rows, n], data });
    const { x } = await session.run({ b: matrix(right, m), inverse: matrix(choleskyInverse(factor, n), n) });
    return x!.data as Float64Array;
  } finally {
    await session.release();
  }
}

/** Adds the moments of `count` rows of k inputs to those of the inputs and a one, [k + 1, k + 1]. */
export function addGram(
  gram: Float64Array,
  g: ArrayLike<number>,
  sum: ArrayLike<number>,
  count: number,
  k: number,
): void {
  for (let a = 0; a < k; a++) {
    for (let b = 0; b < k; b++) gram[a * (k + 1) + b]! += g[a * k + b]!;
    gram[a * (k + 1) + k]! += sum[a]!;
    gram[k * (k + 1) + a]! += sum[a]!;
  }
  gram[k * (k + 1) + k]! += count;
}

/** `ridge` is relative to the mean of the diagonal. It is increased tenfold while the factor does not exist. */
export function factorize(gram: Float64Array, n: number, ridge: number): Normal | null {
  let mean = 0;
  for (let a = 0; a < n - 1; a++) mean += gram[a * n + a]! / (n - 1);
  if (!(mean > 0)) return null;
  for (let strength = ridge; strength < 1; strength *= 10) {
    const pull = strength * mean;
    const pulled = gram.slice();
    for (let a = 0; a < n - 1; a++) pulled[a * n + a]! += pull;
    const factor = cholesky(pulled, n);
    if (factor) return { factor, pull };
  }
  return null;
}

export interface MomentInputs {
  readonly x: Value;
  readonly xShape: readonly number[];
  /** Target at the sampled positions, of the shape given. */
  readonly target: Value;
  readonly targetShape: readonly number[];
  /** Base at all positions, of the shape given; may be broadcast. */
  readonly base: Value | null;
  readonly baseShape: readonly number[] | null;
  readonly kept: readonly number[] | null;
  readonly activation: 'relu' | null;
  readonly every: number;
  /** False leaves out moments that depend on x alone. */
  readonly inputs: boolean;
}

/** Emits the terms that `Moments` adds up, by name. With an activation, the present weights also predict. */
export function emitMoments(b: GraphBuilder, r: Regression, s: MomentInputs): Record<string, Value> {
  const { node } = r;
  const { x, xShape, every } = s;
  let { target } = s;
  const shape = [...s.targetShape];
  const axis = channelAxis(r, shape.length);
  if (s.kept) {
    target = b.gather(target, s.kept, axis);
    shape[axis] = s.kept.length;
  }
  const geometry = r.linear.slides ? convGeometry(node, xShape, node.input(1)!.initializer!.dims) : null;
  const looked = (v: Value, dims: readonly number[]): Value =>
    geometry ? thin(b, v, dims, geometry.out.length, every) : v;
  const base = s.base && looked(s.base, s.baseShape!);
  if (s.activation) {
    const held = r.linear.bias === null ? null : node.input(r.linear.bias);
    const weights = [node.input(1)!, ...(held ? [held] : [])].map((v) => b.tensor(v.initializer!));
    const plain = b.graph.emit(node.opType, [x, ...weights], { attributes: node.attributes })[0]!;
    const added = r.linear.bias === null ? vectorOf(biasOf(node)) : null;
    const whole = [shape[0]!, r.rows, ...(geometry?.out ?? [])];
    const own = looked(added ? b.add(plain, b.tensor(added.initializer!)) : plain, whole);
    const prediction = base ? b.add(own, base) : own;
    const zero = b.scalar(0);
    target = b.where(b.greater(target, zero), target, b.op('Min', [prediction, zero]));
  }
  if (base) target = b.sub(target, base);
  const wanted = { value: target, shape };
  const moments: Gram = geometry
    ? im2colGram(b, x, xShape, geometry, { target: wanted, groups: r.groups, every })
    : channelGram(b, x, xShape, axis, wanted);
  const all = shape.map((_, i) => i);
  return {
    ...(s.inputs && {
      gram: b.reshape(moments.gram, [r.groups * r.columns * r.columns]),
      sum: b.reshape(moments.sum, [r.groups * r.columns]),
    }),
    cross: b.reshape(moments.cross!, [r.rows, r.columns]),
    targetSum: b.reshape(moments.targetSum!, [r.rows]),
    power: b.reduceSum(b.mul(target, target), all, false),
  };
}

/** Mean of the inputs for each column of the weights, [groups x columns]. */
export function inputMeans(b: GraphBuilder, r: Regression, x: Value, xShape: readonly number[]): Value {
  const { node } = r;
  if (r.linear.slides) return im2colMeans(b, x, xShape, convGeometry(node, xShape, node.input(1)!.initializer!.dims));
  const axis = channelAxis(r, xShape.length);
  const rest = xShape.map((_, i) => i).filter((i) => i !== axis);
  return b.reduceMean(x, rest, false);
}

/** A model from x, target (and base) to the moments of the regression. */
function momentsModel(r: Regression, s: Samples, o: FitOptions, inputs: boolean): Model {
  const graph = new Graph();
  const model = new Model(graph);
  model.opsets.set('', OPSET);
  const b = new GraphBuilder(graph, OPSET);
  const input = (name: string, t: HostTensor): Value => graph.addInput(name, { elemType: t.dtype, shape: t.dims });
  const made = emitMoments(b, r, {
    x: input('x', s.x[0]!),
    xShape: s.x[0]!.dims,
    target: input('target', s.target[0]!),
    targetShape: s.target[0]!.dims,
    base: s.base && input('base', s.base[0]!),
    baseShape: s.base && s.base[0]!.dims,
    kept: s.kept,
    activation: o.activation,
    every: o.every ?? 1,
    inputs,
  });
  for (const [name, v] of Object.entries(made)) {
    const out = b.op('Identity', [v]);
    out.name = name;
    out.type = { elemType: DType.FLOAT };
    graph.outputs.push(out);
  }
  runPasses(model, [eliminateDead]);
  importDomains(model);
  return model;
}
