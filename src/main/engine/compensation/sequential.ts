/**
 * Sequential compensation: front to back, every linear operator whose input changed is refitted so that the pruned
 * model reproduces the original's activations from inputs that are already compensated. The last operator before a
 * dropped block is fitted to the block's output, as far as a linear map allows. Affine least squares per operator
 * (CORP; ThiNet, Luo et al. 2017); only the part that passes a following Relu has to match (Zhang et al., "Accelerating
 * Very Deep Convolutional Networks", 2016). Operators too wide for a Gram matrix get the mean error as bias (FLAP, An
 * et al. 2024). Never both on one operator: that counts the mean twice.
 */
import type { Executor, HostTensor } from '../executor.ts';
import { bodyOf } from '../ir/bodies.ts';
import type { Facts } from '../ir/facts.ts';
import type { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import { capturedBy, readsOf } from '../ir/reads.ts';
import type { Value } from '../ir/value.ts';
import { DType } from '../ir/dtype.ts';
import { f32, toFloat32 } from '../ir/tensor.ts';
import { traitsOf } from '../ops/registry.ts';
import type { Surgery } from '../structures/apply.ts';
import { channelMeans, Dense, shapesHold, type Looked } from './dense.ts';
import { emitMoments, inputMeans, Moments, refit, solveMoments } from './least-squares.ts';
import { queryFolds } from './queries.ts';
import {
  biasOf,
  channelAxis,
  heldBias,
  isLinear,
  readWeights,
  regressionOf,
  setBias,
  type Regression,
} from './regression.ts';
import { ENOUGH, rowsOf } from './rows.ts';
import { ActivationCache } from './activation-cache.ts';
import { Targets, type Readout } from './targets.ts';

export interface CompensationOptions {
  readonly threads: number;
  /** 'bias' fits biases only. */
  readonly kind: 'least-squares' | 'bias';
  /** Maximum width of Gram matrices; default 2048. */
  readonly maxColumns?: number;
  /** Rounds of the activation-aware fit; default 2. */
  readonly rounds?: number;
  /** Default 5e-4. */
  readonly ridge?: number;
  /** Known values of the original for the same batches (`lookAtAll`). */
  readonly looked?: ReadonlyMap<string, Looked>;
  /** 0..1, with the fitted operator. */
  readonly onProgress?: (done: number, node: string) => void;
}

export interface Fitted {
  readonly node: string;
  readonly how: 'least-squares' | 'bias';
  /** Remaining relative squared error, NaN where unknown. */
  readonly error: number;
}

/**
 * Changes the weights of `surgery.model` in place.
 * @param original the model that was cut
 * @param batches calibration feeds of both
 */
export async function compensate(
  executor: Executor,
  original: { readonly model: Model; readonly facts: Facts },
  surgery: Surgery,
  batches: readonly Readonly<Record<string, HostTensor>>[],
  options: CompensationOptions,
): Promise<Fitted[]> {
  const { threads, maxColumns = 2048 } = options;
  const targets = new Targets(surgery);
  const dense = new Dense(executor, original, batches, threads, options.looked);
  const pruned = new ActivationCache(executor, surgery.model, batches, threads);
  const changed = new Set<Value>();
  const known = shapesHold(original, batches);
  // Shape of a value of the pruned model, without computing it.
  const shapeOf = (v: Value, axisIn: (v: Value) => number): readonly number[] | null => {
    const from = targets.original(v);
    const shape = from && original.facts.get(from)?.shape;
    if (!known || !shape) return null;
    const kept = surgery.kept(from, axisIn(from));
    return kept ? shape.with(axisIn(from), kept.length) : shape;
  };
  /** True for a Loop or Scan in which something was cut. */
  const cutInside = (node: Node): boolean => {
    const body = bodyOf(node);
    if (!body) return false;
    return [...body.values(), ...capturedBy(node)].some((v) => {
      const from = targets.original(v);
      const shape = (from && original.facts.get(from)?.shape) ?? [];
      return shape.some((_, axis) => surgery.kept(from!, axis) !== null);
    });
  };
  const nodes = [...surgery.model.graph.nodes()];
  const out: Fitted[] = [];
  const folds =
    options.kind === 'bias'
      ? new Map<Node, () => void>()
      : await queryFolds(executor, original, surgery, batches, options);
  const fold = (node: Node): void => {
    const apply = folds.get(node);
    if (!apply) return;
    apply();
    pruned.forget(...node.outputs);
    for (const v of node.outputs) changed.add(v);
  };
  const fit = async (node: Node, i: number): Promise<void> => {
    const differs = [...readsOf(node)].some((v) => changed.has(v)) || cutInside(node);
    if (!isLinear(node)) {
      if (differs) for (const v of node.outputs) changed.add(v);
      return;
    }
    const x = node.input(0)!;
    const regression = options.kind === 'bias' ? 'biases only' : regressionOf(node);
    const axisIn = (v: Value): number =>
      channelAxis({ axis: traitsOf(node).linear!.channelAxis }, original.facts.get(v)?.shape.length ?? 2);
    const end = typeof regression === 'string' ? node.output() : regression.out;
    const readout = targets.readout(end, axisIn);
    const narrowed = readout !== null && lostInputs(surgery, targets, x, axisIn);
    const moved = readout !== null && readout.target !== targets.original(readout.value);
    const based = readout?.base ? changed.has(readout.base) : false;
    if (!differs && !narrowed && !moved && !based) return;
    for (const v of node.outputs) changed.add(v);
    if (!readout) return;
    const axis = axisIn(readout.target);
    const looked = await dense.look(readout.target, axis);
    if (!looked) return;
    const wide = typeof regression !== 'string' && regression.columns > maxColumns;
    // With few samples for the number of columns, a fit would overfit.
    const rows = rowsOf(looked.tensors, axis);
    const shape = pruned.dims(x) ?? shapeOf(x, axisIn);
    if (typeof regression !== 'string' && !wide && rows >= ENOUGH * regression.columns) {
      const ridge = Math.max(1, (20 * regression.columns) / rows) * (options.ridge ?? 5e-4);
      const baseShape = readout.base && (pruned.dims(readout.base) ?? shapeOf(readout.base, axisIn));
      const o = { executor, regression, readout, looked, pruned, shape, baseShape };
      out.push(await leastSquares(o, { ...options, ridge }));
    } else {
      const done = await meanError(node, readout, looked, pruned, axis, shape);
      if (done) out.push(done);
    }
    dense.passed(readout.target);
    pruned.passed(node);
    options.onProgress?.((i + 1) / nodes.length, node.label);
  };
  for (const [i, node] of nodes.entries()) {
    await fit(node, i);
    // The target of the fit does not account for the removed dimensions.
    fold(node);
  }
  return out;
}

function lostInputs(surgery: Surgery, targets: Targets, x: Value, axisIn: (v: Value) => number): boolean {
  const from = targets.original(x);
  return from !== undefined && surgery.kept(from, axisIn(from)) !== null;
}

async function leastSquares(
  o: {
    readonly executor: Executor;
    readonly regression: Regression;
    readonly readout: Readout;
    readonly looked: Looked;
    readonly pruned: ActivationCache;
    /** Shape of the operator's input and of the readout's base, except for the batch, where known in advance. */
    readonly shape: readonly number[] | null;
    readonly baseShape: readonly number[] | null;
  },
  options: CompensationOptions & { readonly ridge: number },
): Promise<Fitted> {
  const { executor, regression, readout, looked, pruned } = o;
  const { threads, rounds = 2, ridge } = options;
  const { base, kept } = readout;
  const { every, tensors } = looked;
  const x = regression.node.input(0)!;
  const hold = base ? [x, base] : [x];
  if (!o.shape || (base && !o.baseShape)) await pruned.get(...hold);
  // Inputs and their moments in one session.
  const moments = new Moments(regression);
  await pruned.look({
    hold,
    feeds: { target: tensors },
    emit: (b, at, fed) =>
      emitMoments(b, regression, {
        x: at(x),
        xShape: o.shape ?? pruned.dims(x)!,
        target: fed('target'),
        targetShape: tensors[0]!.dims,
        base: base && at(base),
        baseShape: base && (o.baseShape ?? pruned.dims(base)!),
        kept,
        activation: null,
        every,
        inputs: true,
      }),
    each: (out, i) => moments.add(out, tensors[i]!),
  });
  let { error, normal } = await solveMoments(executor, moments, { threads, ridge });
  if (readout.activation && rounds > 1 && !Number.isNaN(error)) {
    const [inputs, bases] = await pruned.get(...hold);
    const samples = { x: inputs!, target: tensors, kept, base: bases ?? null };
    const fit = { threads, ridge, activation: readout.activation, every };
    // The inputs do not change, so results of the first round are reused in later ones.
    for (let round = 1; round < rounds && !Number.isNaN(error); round++)
      ({ error, normal } = await refit(executor, regression, samples, fit, normal));
  }
  // A sum's other addend may have been computed before this operator: a shortcut that comes later in the order.
  pruned.forget(regression.node.output(), regression.out);
  return { node: regression.node.label, how: 'least-squares', error };
}

/** Shifts the bias by the mean difference per channel. */
async function meanError(
  node: Node,
  readout: Readout,
  looked: Looked,
  pruned: ActivationCache,
  axis: number,
  shape: readonly number[] | null,
): Promise<Fitted | null> {
  const outside = traitsOf(node).linear!.bias === null;
  const added = outside ? biasOf(node) : null;
  if (outside && !added) return null;
  const w = node.input(1)?.initializer;
  if (w?.dtype !== DType.FLOAT) return null;
  const have = await meansOf(node, readout, pruned, { axis, rank: looked.tensors[0]!.dims.length }, shape);
  const held = heldBias(node);
  const old = held?.initializer ? toFloat32(held.initializer) : null;
  if (old && old.length !== have.length) return null;
  const bias = Float32Array.from(
    have,
    (m, c) => (old?.[c] ?? 0) + looked.mean[readout.kept ? readout.kept[c]! : c]! - m,
  );
  setBias(node, f32(bias, [bias.length]));
  pruned.forget(readout.value, node.output(), ...(added ? added.outputs : []));
  return { node: node.label, how: 'bias', error: NaN };
}

/**
 * Means of the readout's value over all axes but its channels.
 * @param shape of the operator's input, where known
 */
async function meansOf(
  node: Node,
  { value, base }: Readout,
  pruned: ActivationCache,
  { axis, rank }: { readonly axis: number; readonly rank: number },
  shape: readonly number[] | null,
): Promise<Float64Array> {
  const x = node.input(0)!;
  const r = regressionOf(node);
  // The mean output of a linear operator is its output for the mean input, so the operator need not run.
  const regression = shape && !base && typeof r !== 'string' ? r : null;
  const sums: Float64Array[] = [];
  await pruned.look({
    hold: [x],
    ...(!regression && { use: [value] }),
    emit: (b, at) => ({
      mean: regression ? inputMeans(b, regression, at(x), shape!) : channelMeans(b, at(value), rank, axis),
    }),
    each: ({ mean }) => sums.push(Float64Array.from(mean!.data as Float32Array)),
  });
  const mean = sums[0]!.map((_, i) => sums.reduce((a, m) => a + m[i]! / sums.length, 0));
  if (!regression) return mean;
  const { rows, columns, groups } = regression;
  const weights = readWeights(regression);
  return Float64Array.from({ length: rows }, (_, m) => {
    const from = Math.floor(m / (rows / groups)) * columns;
    const at = m * (columns + 1);
    let sum = weights[at + columns]!;
    for (let a = 0; a < columns; a++) sum += weights[at + a]! * mean[from + a]!;
    return sum;
  });
}
