/**
 * Sequential compensation: front to back, every linear operator whose input changed is refitted so that the pruned model
 * reproduces the original's activations, from inputs that are themselves already compensated. The last operator before a
 * dropped block is fitted to what came out of the block: it takes over what a linear map can. Affine least squares per
 * operator (CORP; ThiNet, Luo et al. 2017); only what a following Relu lets through has to match (Zhang et al., "Accelerating
 * Very Deep Convolutional Networks", 2016). What is too wide for a Gram matrix gets the mean error as bias (FLAP, An et
 * al. 2024). Never both on one operator: that counts the mean twice.
 */
import type { Executor, HostTensor } from '../../executor.ts';
import type { Facts } from '../../ir/facts.ts';
import type { Model } from '../../ir/model.ts';
import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';
import { f32, toFloat32 } from '../../ir/tensor.ts';
import type { Surgery } from '../surgery.ts';
import type { ResidualBlock } from '../types.ts';
import { biasOf, refit, regressionOf, setBias, vectorOf, type Normal, type Regression } from './least-squares.ts';
import { Stream } from './stream.ts';
import { Targets, type Readout } from './targets.ts';

export interface CompensationOptions {
  readonly threads: number;
  /** 'bias' fits biases only. */
  readonly kind: 'least-squares' | 'bias';
  /** Gram matrices wider than this are not made; default 2048. */
  readonly maxColumns?: number;
  /** Rounds of the activation-aware fit; default 2. */
  readonly rounds?: number;
  /** Default 5e-4. */
  readonly ridge?: number;
  /** 0..1, with the operator that was fitted. */
  readonly onProgress?: (done: number, node: string) => void;
}

export interface Fitted {
  readonly node: string;
  readonly how: 'least-squares' | 'bias';
  /** Relative squared error that is left, NaN where it is not known. */
  readonly error: number;
}

const LINEAR = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul']);

/**
 * Changes the weights of `surgery.model` in place.
 * @param original the model that was cut, @param batches calibration feeds of both
 */
export async function compensate(
  executor: Executor,
  original: { readonly model: Model; readonly facts: Facts },
  surgery: Surgery,
  dropped: readonly ResidualBlock[],
  batches: readonly Readonly<Record<string, HostTensor>>[],
  options: CompensationOptions,
): Promise<Fitted[]> {
  const { threads, maxColumns = 2048 } = options;
  const targets = new Targets(surgery, dropped);
  const dense = new Stream(executor, original.model, batches, threads);
  const pruned = new Stream(executor, surgery.model, batches, threads);
  const changed = new Set<Value>();
  const nodes = [...surgery.model.graph.nodes()];
  const out: Fitted[] = [];
  for (const [i, node] of nodes.entries()) {
    const inputs = node.inputs.filter((v): v is Value => v !== null);
    const differs = inputs.some((v) => changed.has(v));
    if (!LINEAR.has(node.opType)) {
      if (differs) for (const v of node.outputs) changed.add(v);
      continue;
    }
    const x = node.input(0)!;
    const regression = options.kind === 'bias' ? 'biases only' : regressionOf(node);
    // A MatMul has its channels last, whatever comes before them.
    const last = node.key === 'MatMul';
    const axisIn = (v: Value): number => (last ? (original.facts.get(v)?.shape.length ?? 2) - 1 : 1);
    const end = typeof regression === 'string' ? node.output() : regression.out;
    const readout = targets.readout(end, axisIn);
    const narrowed = readout !== null && lostInputs(surgery, targets, x, axisIn);
    const moved = readout !== null && readout.target !== targets.original(readout.value);
    const based = readout?.base ? changed.has(readout.base) : false;
    if (!differs && !narrowed && !moved && !based) continue;
    for (const v of node.outputs) changed.add(v);
    if (!readout) continue;
    const wide = typeof regression !== 'string' && regression.columns > maxColumns;
    // Where the samples are few for so many columns, a fit would learn them by heart.
    const [target] = typeof regression !== 'string' && !wide ? await dense.get(readout.target) : [];
    const rows = target ? rowsOf(target, axisIn(readout.target)) : 0;
    if (typeof regression !== 'string' && target && rows >= ENOUGH * regression.columns) {
      const pull = Math.max(1, (20 * regression.columns) / rows) * (options.ridge ?? 5e-4);
      out.push(await leastSquares(executor, regression, readout, dense, pruned, { ...options, ridge: pull }));
    } else {
      const done = await meanError(node, readout, dense, pruned, axisIn(readout.target));
      if (done) out.push(done);
    }
    if (readout.target.producer) dense.passed(readout.target.producer);
    pruned.passed(node);
    options.onProgress?.((i + 1) / nodes.length, node.label);
  }
  return out;
}

function lostInputs(surgery: Surgery, targets: Targets, x: Value, axisIn: (v: Value) => number): boolean {
  const from = targets.original(x);
  return from !== undefined && surgery.kept(from, axisIn(from)) !== null;
}

async function leastSquares(
  executor: Executor,
  regression: Regression,
  readout: Readout,
  dense: Stream,
  pruned: Stream,
  options: CompensationOptions,
): Promise<Fitted> {
  const { threads, rounds = 2, ridge = 5e-4 } = options;
  const [target] = await dense.get(readout.target);
  const [x, base] = await pruned.get(regression.node.input(0)!, ...(readout.base ? [readout.base] : []));
  const samples = { x: x!, target: target!, kept: readout.kept, base: base ?? null };
  let error = NaN;
  let normal: readonly (Normal | null)[] | null = null;
  const every = regression.axis === 1 ? thinning(target![0]!.dims) : 1;
  for (let round = 0; round < (readout.activation ? rounds : 1); round++) {
    const activation = round > 0 ? readout.activation : null;
    // The inputs stay what they are: what was made of them in the first round serves the next ones.
    ({ error, normal } = await refit(executor, regression, samples, { threads, ridge, activation, every }, normal));
    if (Number.isNaN(error)) break;
  }
  // A sum's other addend may have been computed before this operator was: a shortcut that comes later in the order.
  pruned.forget(regression.node.output(), regression.out);
  return { node: regression.node.label, how: 'least-squares', error };
}

/** Rows per column, at least. */
export const ENOUGH = 3;
/** Rows of a regression: samples times the positions that are looked at. */
function rowsOf(target: readonly HostTensor[], axis: number): number {
  // Channels last: every other index is a row.
  if (axis !== 1) return target.reduce((n, t) => n + t.data.length / t.dims[axis]!, 0);
  return target.reduce((n, t) => n + t.dims[0]! * positionsOf(t.dims), 0);
}

/** Positions that are looked at per sample. @param dims of an operator's output */
export function positionsOf(dims: readonly number[]): number {
  const every = thinning(dims);
  return dims.slice(2).reduce((a, b) => a * Math.ceil(b / every), 1);
}

/** Positions of one sample resemble each other: about 64 of them say as much as all, and leave time for more samples. */
const POSITIONS = 64;
export const thinning = (dims: readonly number[]): number => {
  const positions = dims.slice(2).reduce((a, b) => a * b, 1);
  return Math.max(1, Math.round((positions / POSITIONS) ** (1 / Math.max(1, dims.length - 2))));
};

/** Shifts the bias by the mean difference per channel. */
async function meanError(
  node: Node,
  readout: Readout,
  dense: Stream,
  pruned: Stream,
  axis: number,
): Promise<Fitted | null> {
  const added = node.key === 'MatMul' ? biasOf(node) : null;
  if (!added && node.key !== 'Conv' && node.key !== 'ConvTranspose' && node.key !== 'Gemm') return null;
  const w = node.input(1)?.initializer;
  const [target] = await dense.get(readout.target);
  const [value] = await pruned.get(readout.value);
  const want = channelMeans(target!, axis);
  const have = channelMeans(value!, axis);
  const held = added ? vectorOf(added) : node.input(2);
  const old = held?.initializer ? toFloat32(held.initializer) : null;
  if (!w || (old && old.length !== have.length)) return null;
  const bias = Float32Array.from(have, (m, c) => (old?.[c] ?? 0) + want[readout.kept ? readout.kept[c]! : c]! - m);
  setBias(node, f32(bias, [bias.length]));
  pruned.forget(readout.value, node.output(), ...(added ? added.outputs : []));
  return { node: node.label, how: 'bias', error: NaN };
}

/** Means over everything but the channels. */
function channelMeans(batches: readonly HostTensor[], axis: number): Float64Array {
  const { dims, data } = batches[0]!;
  const c = dims[axis]!;
  const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const n = data.length / (c * inner);
  const out = new Float64Array(c);
  for (const { data } of batches)
    for (let i = 0; i < n; i++)
      for (let k = 0; k < c; k++) {
        let sum = 0;
        const at = (i * c + k) * inner;
        for (let p = 0; p < inner; p++) sum += (data as Float32Array)[at + p]!;
        out[k]! += sum / (inner * n * batches.length);
      }
  return out;
}
