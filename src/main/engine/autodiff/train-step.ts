import { cloneModel } from '../ir/clone.ts';
import { DType, elementCount } from '../ir/dtype.ts';
import type { TensorFacts } from '../ir/facts.ts';
import type { Model } from '../ir/model.ts';
import { f32, toFloat32 } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { batchStatistics } from './batch-norm.ts';
import { GraphBuilder } from './builder.ts';
import { matricesOf, type MatrixShape } from './muon.ts';
import { emitClipByNorm, emitUpdate, stateCount, type OptimizerOptions } from './optimizers.ts';
import type { FactsLookup } from './shapes.ts';
import { buildBackward, importDomains } from './walker.ts';

/** Context for building a loss. Values are those of the training graph. */
export interface LossContext {
  readonly b: GraphBuilder;
  /** The model's outputs, in order. */
  readonly outputs: readonly Value[];
  /** Shape of an output, input or any other forward value. */
  shape(v: Value): readonly number[];
  /** The training graph's copy of a value of the original model (an activation, for example). */
  copyOf(v: Value): Value;
  /** Declares an additional input of the training graph, such as labels or teacher logits. */
  input(name: string, dtype: number, shape: readonly number[]): Value;
  /** Makes the trainer return this value after every step. */
  extra(name: string, v: Value): void;
}

export interface TrainStepOptions {
  /** Facts of `model` at the training batch size. The step is built for that size. */
  readonly facts: FactsLookup;
  /** Float32 initializers of `model` to train. */
  readonly params: readonly Value[];
  /** Emits the scalar loss. */
  readonly loss: (ctx: LossContext) => Value;
  readonly optimizer: OptimizerOptions;
  /** Limit of the gradient's global L2 norm. */
  readonly clipNorm?: number;
  /** Decay of an exponential moving average of the parameters, for example 0.999. */
  readonly ema?: number;
  /** Selects the parameters that weight decay applies to; default: those with more than one axis. */
  readonly decays?: (param: Value) => boolean;
  /**
   * Learning rates are multiplied by each tensor's root mean square, at least `floor` (Adafactor's parameter scale,
   * Shazeer and Stern 2018, arXiv:1804.04235). One rate then fits layers of any scale, such as those with folded
   * normalization.
   */
  readonly relativeTo?: { readonly floor: number };
  /**
   * Normalises by batch statistics and updates the running ones with this momentum (the share of the old value, usually
   * 0.9). Omitted: statistics stay fixed.
   */
  readonly batchStatistics?: { readonly momentum: number };
}

/** A slice of one of the packed vectors. */
export interface Slot {
  /** Name of the initializer in the original model. */
  readonly name: string;
  readonly dims: readonly number[];
  readonly offset: number;
  readonly size: number;
}

/** A tensor that a step takes as input and returns updated. */
export interface StateVector {
  readonly kind: 'params' | 'optimizer' | 'ema' | 'statistics';
  readonly input: string;
  readonly output: string;
  readonly initial: Float32Array;
}

/** One training step as a model: forward, backward, update. All trainable weights are one vector. */
export interface TrainStep {
  readonly model: Model;
  readonly params: readonly Slot[];
  /** Running means and variances of batch normalizations. */
  readonly statistics: readonly Slot[];
  readonly state: readonly StateVector[];
  /** Names of the scalar inputs. */
  readonly lr: string;
  readonly step: string;
  /** Names of the outputs. */
  readonly loss: string;
  readonly gradNorm: string | null;
  /**
   * Names of the vectors between the part that reads samples and the part that updates the state: gradient, statistics
   * of the batch.
   */
  readonly between: readonly string[];
  /** Requested name to output name. */
  readonly extras: ReadonlyMap<string, string>;
}

/**
 * Builds the training step of a model without changing the model. Inputs: those of the model (at the batch size of the
 * facts), those declared by the loss, the state vectors, learning rate and step number. Outputs: the new state vectors,
 * the loss and the extras.
 * @throws SecateurError 'gradient-unsupported'
 */
export function buildTrainStep(source: Model, options: TrainStepOptions): TrainStep {
  const { model, values } = cloneModel(source);
  const { graph } = model;
  const known = new Map<Value, TensorFacts>();
  for (const [from, to] of values) {
    const f = options.facts(from);
    if (f) known.set(to, f);
  }
  const facts: FactsLookup = (v) => known.get(v);
  for (const v of graph.inputs) {
    const f = facts(v);
    if (f) v.type = { elemType: f.dtype, shape: f.shape };
  }
  const b = new GraphBuilder(graph, model.opset);
  const scalarType = { elemType: DType.FLOAT, shape: [] };
  const lr = graph.addInput(graph.freshName('lr'), scalarType);
  const step = graph.addInput(graph.freshName('step'), scalarType);
  const state: StateVector[] = [];
  const outputs: Value[] = [];
  const shape = (v: Value): readonly number[] => known.get(v)?.shape ?? v.initializer?.dims ?? [];
  const vector = (name: string, size: number): Value => {
    const v = graph.addInput(graph.freshName(name), { elemType: DType.FLOAT, shape: [size] });
    known.set(v, { dtype: DType.FLOAT, shape: [size] });
    return v;
  };
  const remember = (kind: StateVector['kind'], input: Value, updated: Value, initial: Float32Array): void => {
    const output = rename(b, updated, `${input.name}__new`);
    outputs.push(output);
    state.push({ kind, input: input.name, output: output.name, initial });
  };

  // Statistics first: running statistics that are replaced by batch statistics are not weights of the step.
  const statistics = options.batchStatistics ? batchStatistics(b, shape) : [];
  const forwardOutputs = [...graph.outputs];

  // One vector of all parameters, split where the forward pass reads them.
  const trained = options.params.map((p) => values.get(p)!);
  const { slots, data } = pack(trained);
  const packed = vector('params', data.length);
  b.before = graph.firstNode;
  const pieces =
    slots.length > 1
      ? b.split(
          packed,
          slots.map((s) => s.size),
          0,
        )
      : [packed];
  const leaves = trained.map((p, i) => {
    const leaf = b.reshape(pieces[i]!, slots[i]!.dims);
    known.set(leaf, { dtype: DType.FLOAT, shape: slots[i]!.dims });
    p.replaceAllUsesWith(leaf);
    graph.removeInitializer(p);
    const at = graph.inputs.indexOf(p);
    if (at >= 0) graph.inputs.splice(at, 1);
    return leaf;
  });
  b.before = null;

  const extras = new Map<string, Value>();
  const loss = options.loss({
    b,
    outputs: forwardOutputs,
    shape,
    copyOf: (v) => values.get(v)!,
    input: (name, dtype, dims) => {
      const v = graph.addInput(graph.freshName(name), { elemType: dtype, shape: dims });
      known.set(v, { dtype, shape: dims });
      return v;
    },
    extra: (name, v) => extras.set(name, v),
  });
  const rules = new Map(statistics.map(({ node, rule }) => [node, rule]));
  const gradients = buildBackward(b, { loss, wrt: leaves, facts, rules });
  const flat = leaves.map((leaf, i) => {
    const g = gradients.get(leaf);
    return g ? b.reshape(g, [slots[i]!.size]) : b.tensor(f32(new Float32Array(slots[i]!.size), [slots[i]!.size]));
  });
  let grad = rename(b, flat.length > 1 ? b.concat(flat, 0) : flat[0]!, graph.freshName('gradient'));
  const between = [grad.name];
  let norm: Value | null = null;
  if (options.clipNorm !== undefined) ({ grad, norm } = emitClipByNorm(b, grad, options.clipNorm));

  const decays = options.decays ?? ((p: Value): boolean => (p.initializer?.dims.length ?? 0) > 1);
  const decay = options.params.map((p, i) => gradients.has(leaves[i]!) && decays(p));
  const optimizerState = Array.from({ length: stateCount(options.optimizer) }, (_, i) =>
    vector(`optimizer_${i}`, data.length),
  );
  const matrices =
    options.optimizer.kind === 'muon'
      ? matricesOf(source, options.params, options.facts, options.optimizer.share)
      : new Map<Value, MatrixShape>();
  const updated = emitUpdate(b, options.optimizer, {
    param: packed,
    grad,
    state: optimizerState,
    lr,
    step,
    pieces: slots.map((t, k) => ({ size: t.size, matrix: matrices.get(options.params[k]!) ?? null })),
    rates: options.relativeTo
      ? b.tensor(f32(ratesOf(slots, data, options.relativeTo.floor), [data.length]), 'rates')
      : null,
    decayMask: decay.every((d) => d) || !options.optimizer.weightDecay ? null : maskOf(b, slots, decay, data.length),
  });
  remember('params', packed, updated.param, data);
  optimizerState.forEach((v, i) => remember('optimizer', v, updated.state[i]!, new Float32Array(data.length)));
  if (options.ema !== undefined) {
    const old = vector('ema', data.length);
    const moved = b.mul(b.sub(updated.param, old), b.scalar(1 - options.ema));
    remember('ema', old, b.add(old, moved), data);
  }
  let statSlots: readonly Slot[] = [];
  if (statistics.length) {
    const running = pack(statistics.flatMap((s) => s.running));
    statSlots = running.slots;
    const old = vector('statistics', running.data.length);
    const batch = b.concat(
      statistics.flatMap((s) => s.batch),
      0,
    );
    const now = rename(b, batch, graph.freshName('batch_statistics'));
    between.push(now.name);
    const moved = b.mul(b.sub(now, old), b.scalar(1 - options.batchStatistics!.momentum));
    remember('statistics', old, b.add(old, moved), running.data);
  }

  const lossOutput = rename(b, loss, graph.freshName('loss'));
  const normOutput = norm ? rename(b, norm, graph.freshName('grad_norm')) : null;
  const extraOutputs = new Map([...extras].map(([name, v]) => [name, rename(b, v, graph.freshName(name))]));
  graph.outputs.splice(
    0,
    Infinity,
    ...outputs,
    lossOutput,
    ...(normOutput ? [normOutput] : []),
    ...extraOutputs.values(),
  );
  for (const s of statistics) s.spell();
  importDomains(model);
  return {
    model,
    params: slots,
    statistics: statSlots,
    state,
    lr: lr.name,
    step: step.name,
    loss: lossOutput.name,
    gradNorm: normOutput?.name ?? null,
    between,
    extras: new Map([...extraOutputs].map(([name, v]) => [name, v.name])),
  };
}

/** Packs initializers into one vector, one after another. */
function pack(from: readonly Value[]): { slots: Slot[]; data: Float32Array } {
  const slots: Slot[] = [];
  let offset = 0;
  for (const v of from) {
    const dims = v.initializer!.dims;
    const size = elementCount(dims);
    slots.push({ name: v.name, dims, offset, size });
    offset += size;
  }
  const data = new Float32Array(offset);
  from.forEach((v, i) => data.set(toFloat32(v.initializer!), slots[i]!.offset));
  return { slots, data };
}

/** The root mean square of each slot, repeated for each of its elements. */
function ratesOf(slots: readonly Slot[], data: Float32Array, floor: number): Float32Array {
  const out = new Float32Array(data.length);
  for (const { offset, size } of slots) {
    let sum = 0;
    for (let i = offset; i < offset + size; i++) sum += data[i]! ** 2;
    out.fill(Math.max(floor, Math.sqrt(sum / Math.max(1, size))), offset, offset + size);
  }
  return out;
}

function maskOf(b: GraphBuilder, slots: readonly Slot[], on: readonly boolean[], size: number): Value {
  const mask = new Float32Array(size);
  slots.forEach((s, i) => on[i] && mask.fill(1, s.offset, s.offset + s.size));
  return b.tensor(f32(mask, [size]), 'decay');
}

/** A graph output must be a node's own output with its own name. */
function rename(b: GraphBuilder, v: Value, name: string): Value {
  const out = b.op('Identity', [v]);
  out.name = name;
  return out;
}
