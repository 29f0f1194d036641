/**
 * The weights of one linear operator that best reproduce a target, by ridge regression towards the weights it has.
 * Gram matrices are made by the runtime in float32 per batch and added and solved in float64.
 */
import { GraphBuilder } from '../../autodiff/builder.ts';
import { importDomains } from '../../autodiff/walker.ts';
import type { Executor, HostTensor } from '../../executor.ts';
import { DType } from '../../ir/dtype.ts';
import { Graph } from '../../ir/graph.ts';
import { Model } from '../../ir/model.ts';
import type { Node } from '../../ir/node.ts';
import { f32, i64, toFloat32, type Tensor } from '../../ir/tensor.ts';
import type { Value } from '../../ir/value.ts';
import { cholesky, choleskySolveT } from '../../linalg.ts';
import { eliminateDead, runPasses } from '../../passes/index.ts';
import { convGeometry } from '../../ops/support/spatial.ts';
import { channelGram, im2colGram, type Gram } from '../grams.ts';

const OPSET = 17;

export interface Regression {
  readonly node: Node;
  /** Where the result with its bias is: the node's output, or that of the Add of a constant vector behind a MatMul. */
  readonly out: Value;
  /** Axis of the channels of input and output: 1, or the last one of a MatMul. */
  readonly axis: number;
  /** Rows of the weight: outputs; columns: inputs times kernel positions, of one group. */
  readonly rows: number;
  readonly columns: number;
  /** Groups of a convolution: as many regressions that share nothing, rows / groups outputs each. */
  readonly groups: number;
}

/** The regression of a node, or why there is none. Weights are taken as [rows, columns]. */
export function regressionOf(node: Node): Regression | string {
  const w = node.input(1)?.initializer;
  if (!w || w.dtype !== DType.FLOAT) return 'its weights are no float32 constant';
  if (node.input(1)!.uses().length > 1) return 'its weights are shared';
  if (node.key === 'Conv') {
    const group = node.attributes.get('group');
    const groups = group?.kind === 'int' ? Number(group.value) : 1;
    const columns = w.dims.slice(1).reduce((a, b) => a * b, 1);
    return { node, out: node.output(), axis: 1, rows: w.dims[0]!, columns, groups };
  }
  const int = (name: string): number => {
    const a = node.attributes.get(name);
    return a?.kind === 'int' ? Number(a.value) : 0;
  };
  const scale = (name: string): number => {
    const a = node.attributes.get(name);
    return a?.kind === 'float' ? a.value : 1;
  };
  if (node.key === 'Gemm') {
    if (int('transA') || scale('alpha') !== 1 || scale('beta') !== 1) return 'it is a scaled Gemm';
    const [rows, columns] = int('transB') ? w.dims : [w.dims[1]!, w.dims[0]!];
    return { node, out: node.output(), axis: 1, rows: rows!, columns: columns!, groups: 1 };
  }
  if (node.key === 'MatMul' && w.dims.length === 2) {
    const bias = biasOf(node);
    if (!bias) return 'it has no bias of its own';
    return { node, out: bias.output(), axis: -1, rows: w.dims[1]!, columns: w.dims[0]!, groups: 1 };
  }
  return `${node.key} has no regression`;
}

/** The Add of a constant vector of its own that alone reads a MatMul. */
export function biasOf(node: Node): Node | null {
  const y = node.output();
  const [add, ...others] = y.consumers();
  if (add?.key !== 'Add' || others.length > 0 || y.isGraphOutput) return null;
  const vector = add.inputs.find((v) => v !== y)?.initializer;
  const width = node.input(1)?.initializer?.dims[1];
  return vector?.dtype === DType.FLOAT && vector.dims.length === 1 && vector.dims[0] === width ? add : null;
}

/** The channel axis as an index into a shape. */
const channelAxis = ({ axis }: Pick<Regression, 'axis'>, rank: number): number => (axis < 0 ? rank + axis : axis);

export interface Samples {
  /** Input of the operator, per batch. */
  readonly x: readonly HostTensor[];
  readonly target: readonly HostTensor[];
  /** Channels of the target that stay, or null. */
  readonly kept: readonly number[] | null;
  readonly base: readonly HostTensor[] | null;
}

export interface FitOptions {
  readonly threads: number;
  /** Strength of the pull towards the present weights, relative to the mean of the Gram's diagonal. */
  readonly ridge: number;
  /** Only what the activation lets through has to match: where target and prediction are both cut off, any value will do. */
  readonly activation: 'relu' | null;
  /** Takes each so-manieth output position along each spatial axis. */
  readonly every?: number;
}

/** Of one group: what a refit on the same inputs can take over. Only the target may differ. */
export interface Normal {
  /** Lower factor of the Gram of the inputs and a one, [columns + 1, columns + 1], with the pull on its diagonal. */
  readonly factor: Float64Array;
  readonly pull: number;
}

/**
 * Refits weight and bias in place (a missing bias is added). The error is the relative one that is left, NaN where there
 * is no solution.
 */
export async function refit(
  executor: Executor,
  r: Regression,
  s: Samples,
  o: FitOptions,
  known: readonly (Normal | null)[] | null = null,
): Promise<{ error: number; normal: readonly (Normal | null)[] }> {
  const k = r.columns;
  const n = k + 1;
  const per = r.rows / r.groups;
  const grams = known ? [] : Array.from({ length: r.groups }, () => new Float64Array(n * n));
  const cross = new Float64Array(r.rows * n);
  let power = 0;
  const session = await executor.open(momentsModel(r, s, o, known === null), { threads: o.threads });
  try {
    for (const [i, x] of s.x.entries()) {
      const out = await session.run({
        x,
        target: s.target[i]!,
        ...(s.base && { base: s.base[i]! }),
      });
      const data = (name: string): Float32Array => out[name]!.data as Float32Array;
      for (const [g, gram] of grams.entries()) {
        const [x, sum] = [data('gram').subarray(g * k * k, (g + 1) * k * k), data('sum').subarray(g * k, (g + 1) * k)];
        addGram(gram, x, sum, Number(out['count']!.data[0]), k);
      }
      const [c, t] = [data('cross'), data('targetSum')];
      for (let m = 0; m < r.rows; m++) {
        for (let b = 0; b < k; b++) cross[m * n + b]! += c[m * k + b]!;
        cross[m * n + k]! += t[m]!;
      }
      power += data('power')[0]!;
    }
  } finally {
    await session.release();
  }
  const normal = known ?? grams.map((gram) => factorize(gram, n, o.ridge));
  if (normal.every((x) => x === null)) return { error: NaN, normal };
  // W = (C + d W0)(G + d I)^-1 per output; the bias (last column) is not pulled.
  const w0 = readWeights(r);
  const weights = w0.slice();
  // |Y - WX|^2 = |Y|^2 - 2 tr(W C') + tr(W G W'), where W G = C + d (W0 - W).
  let error = power;
  for (const [g, found] of normal.entries()) {
    // Inputs that are all zero say nothing: what they meet stays as it is.
    if (!found) continue;
    const rows = cross.subarray(g * per * n, (g + 1) * per * n);
    const old = w0.subarray(g * per * n, (g + 1) * per * n);
    const right = rows.map((c, i) => (i % n < k ? c + found.pull * old[i]! : c));
    const solved = choleskySolveT(found.factor, right, n, per);
    weights.set(solved, g * per * n);
    solved.forEach((w, i) => (error -= w * rows[i]! - (i % n < k ? found.pull * w * (old[i]! - w) : 0)));
  }
  writeWeights(r, weights);
  return { error: power > 0 ? Math.max(0, error) / power : 0, normal };
}

/** Adds moments of `count` rows of k inputs to those of the inputs and a one, [k + 1, k + 1]. */
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

/** `ridge` is relative to the mean of the diagonal; tenfold where the factor does not exist. */
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

/** [rows, columns + 1], the bias last. */
export function readWeights({ node, rows, columns }: Regression): Float64Array {
  const w = toFloat32(node.input(1)!.initializer!);
  const held = node.key === 'MatMul' ? vectorOf(biasOf(node)) : node.input(2);
  const bias = held?.initializer ? toFloat32(held.initializer) : null;
  const rowMajor = isRowMajor(node);
  const out = new Float64Array(rows * (columns + 1));
  for (let m = 0; m < rows; m++) {
    for (let a = 0; a < columns; a++) out[m * (columns + 1) + a] = w[rowMajor ? m * columns + a : a * rows + m]!;
    out[m * (columns + 1) + columns] = bias ? bias[bias.length === 1 ? 0 : m]! : 0;
  }
  return out;
}

/** Conv [M, ...] and Gemm with transB hold one output per row. */
function isRowMajor(node: Node): boolean {
  const t = node.attributes.get('transB');
  return node.key === 'Conv' || (t?.kind === 'int' && t.value !== 0n);
}

export function writeWeights({ node, rows, columns }: Regression, solved: Float64Array): void {
  const w = new Float32Array(rows * columns);
  const bias = new Float32Array(rows);
  const rowMajor = isRowMajor(node);
  for (let m = 0; m < rows; m++) {
    for (let a = 0; a < columns; a++) w[rowMajor ? m * columns + a : a * rows + m] = solved[m * (columns + 1) + a]!;
    bias[m] = solved[m * (columns + 1) + columns]!;
  }
  node.input(1)!.initializer = f32(w, node.input(1)!.initializer!.dims);
  setBias(node, f32(bias, [rows]));
}

export const vectorOf = (add: Node | null): Value | null => add?.inputs.find((v) => v?.isInitializer) ?? null;

/** Gives the node its own bias initializer; that of a MatMul is in the Add behind it. */
export function setBias(node: Node, bias: Tensor): void {
  if (node.key === 'MatMul') return setAddedBias(node, bias);
  const old = node.input(2);
  if (old?.initializer && old.uses().length === 1) {
    old.initializer = bias;
    old.type = { elemType: bias.dtype, shape: [...bias.dims] };
    return;
  }
  const graph = node.graph!;
  node.setInput(2, graph.addInitializer(graph.freshName(`${node.output().name}_bias`), bias));
}

function setAddedBias(node: Node, bias: Tensor): void {
  const graph = node.graph!;
  const vector = graph.addInitializer(graph.freshName(`${node.output().name}_bias`), bias);
  const add = biasOf(node)!;
  add.inputs.forEach((v, i) => {
    if (v?.isInitializer) add.setInput(i, vector);
  });
}

/** x, target (and base) in; moments of the regression out. With an activation the present weights predict along. */
function momentsModel(r: Regression, s: Samples, o: FitOptions, inputs: boolean): Model {
  const graph = new Graph();
  const model = new Model(graph);
  model.opsets.set('', OPSET);
  const b = new GraphBuilder(graph, OPSET);
  const input = (name: string, t: HostTensor): Value => graph.addInput(name, { elemType: t.dtype, shape: t.dims });
  const x = input('x', s.x[0]!);
  let target = input('target', s.target[0]!);
  const channels = [...s.target[0]!.dims];
  const axis = channelAxis(r, channels.length);
  if (s.kept) {
    target = b.gather(target, s.kept, axis);
    channels[axis] = s.kept.length;
  }
  const base = s.base && input('base', s.base[0]!);
  const { node } = r;
  const shape = s.x[0]!.dims;
  if (o.activation) {
    const held = node.key === 'MatMul' ? null : node.input(2);
    const weights = [node.input(1)!, ...(held ? [held] : [])].map((v) => b.tensor(v.initializer!));
    const plain = graph.emit(node.opType, [x, ...weights], { attributes: node.attributes })[0]!;
    const added = node.key === 'MatMul' ? vectorOf(biasOf(node)) : null;
    const own = added ? b.add(plain, b.tensor(added.initializer!)) : plain;
    const prediction = base ? b.add(own, base) : own;
    const zero = b.scalar(0);
    target = b.where(b.greater(target, zero), target, b.op('Min', [prediction, zero]));
  }
  if (base) target = b.sub(target, base);
  let moments: Gram;
  if (node.key === 'Conv') {
    const geometry = convGeometry(node, shape, node.input(1)!.initializer!.dims);
    moments = im2colGram(b, x, shape, geometry, {
      target: { value: target, shape: channels },
      groups: r.groups,
      ...(o.every && o.every > 1 && { every: o.every }),
    });
  } else moments = channelGram(b, x, shape, axis, { value: target, shape: channels });
  const give = (v: Value, name: string, elemType: number = DType.FLOAT): void => {
    const out = b.op('Identity', [v]);
    out.name = name;
    out.type = { elemType };
    graph.outputs.push(out);
  };
  if (inputs) {
    give(b.reshape(moments.gram, [r.groups * r.columns * r.columns]), 'gram');
    give(b.reshape(moments.sum, [r.groups * r.columns]), 'sum');
  }
  give(b.reshape(moments.cross!, [r.rows, r.columns]), 'cross');
  give(b.reshape(moments.targetSum!, [r.rows]), 'targetSum');
  const every = node.key === 'Conv' ? (o.every ?? 1) : 1;
  const thinned = every > 1 ? b.slice(target, [0, 0], channels.slice(2), [2, 3], [every, every]) : target;
  give(
    b.reduceSum(
      b.mul(thinned, thinned),
      channels.map((_, i) => i),
      false,
    ),
    'power',
  );
  give(b.div(b.op('Size', [thinned]), b.tensor(i64([r.rows], []))), 'count', DType.INT64);
  runPasses(model, [eliminateDead]);
  importDomains(model);
  return model;
}
