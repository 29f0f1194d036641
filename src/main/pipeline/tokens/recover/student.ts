/** The weights of a decoder that are trained: its matrices, or adapters beside them. */
import { buildTrainStep, type LossContext, type TrainStep } from '../../../engine/autodiff/train-step.ts';
import { writeParameters } from '../../../engine/autodiff/trainer.ts';
import { int } from '../../../engine/ir/attribute.ts';
import { cloneModel } from '../../../engine/ir/clone.ts';
import { DType, elementCount } from '../../../engine/ir/dtype.ts';
import type { Model } from '../../../engine/ir/model.ts';
import type { Value } from '../../../engine/ir/value.ts';
import { addAdapters, mergedWeights, type Adapter, type AdapterOptions } from '../../../engine/recovery/adapters.ts'; // prettier-ignore
import { ENTROPY, SHARES } from './batches.ts';
import type { TrainingGraph } from './training-graph.ts';

type Weights = ReadonlyMap<string, Float32Array>;

export interface Student {
  readonly step: TrainStep;
  /** Number of weights that are trained. */
  readonly count: number;
  /** Weights of the decoder by name, from those of the trainer. */
  weights(trained: Weights): Weights;
  /** The training graph with given weights, to be run. */
  evaluated(weights: Weights): Model;
}

/** Elements of the adapters of all adapted matrices. */
export const adapterFloats = (matrices: readonly Value[], rank: number): number =>
  matrices.reduce((n, v) => n + rank * (v.initializer!.dims[0]! + v.initializer!.dims[1]!), 0);

/** All but the product that gives the logits: it is no part of attention or of an MLP. */
export const adapted = (matrices: readonly Value[]): Value[] =>
  matrices.filter((v) => !v.uses().some(({ node }) => node.outputs.some((out) => out.isGraphOutput || leadsOut(out))));

/** Whether nothing but sums with constants stands between a value and the output. */
const leadsOut = (v: Value): boolean =>
  v.consumers().length > 0 &&
  v.consumers().every((n) => n.inputs.every((i) => i === v || i?.isInitializer) && n.outputs.some((o) => o.isGraphOutput)); // prettier-ignore

/** @param adapters null: the matrices themselves are trained */
export function studentOf(
  { model, facts }: TrainingGraph,
  matrices: readonly Value[],
  adapters: AdapterOptions | null,
  rows: number,
): Student {
  const { model: copy, values } = cloneModel(model);
  const known = new Map([...facts].flatMap(([v, f]) => (values.has(v) ? [[values.get(v)!, f] as const] : [])));
  const own = matrices.map((v) => values.get(v)!);
  const beside: Adapter[] = adapters ? addAdapters(copy, own, adapters) : [];
  const params = adapters ? beside.flatMap(({ a, b }) => [a, b]) : own;
  const vocabulary = facts.get(model.graph.outputs[0]!)!.shape.at(-1)!;
  const step = buildTrainStep(copy, {
    facts: (v) => known.get(v),
    params,
    // Adapters begin at zero, where rates relative to a tensor's size have no meaning.
    ...(adapters ? { optimizer: { kind: 'adamw', weightDecay: 0 } } : { optimizer: { kind: 'muon', weightDecay: 0 }, relativeTo: { floor: SMALLEST } }), // prettier-ignore
    clipNorm: 1,
    ema: EMA,
    loss: (l) => answerLoss(l, rows, vocabulary),
  });
  return {
    step,
    count: params.reduce((n, v) => n + elementCount(v.initializer!.dims), 0),
    weights: (trained) => (adapters ? mergedWeights(copy, beside, trained) : trained),
    evaluated(weights) {
      const { model: judged } = cloneModel(model);
      writeParameters(judged, weights);
      return judged;
    },
  };
}

/**
 * Mean KL from the shares of the original to the softmax of the logits, in nats per row. Shares are those of the row over
 * the number of rows, so rows without any are not counted.
 * @internal
 */
export function answerLoss({ b, outputs, input }: LossContext, rows: number, vocabulary: number): Value {
  const logs = b.op('LogSoftmax', [outputs[0]!], { axis: int(1) });
  const cross = b.reduceSum(b.mul(logs, input(SHARES, DType.FLOAT, [rows, vocabulary])), [0, 1], false);
  return b.sub(b.neg(cross), input(ENTROPY, DType.FLOAT, []));
}

/** Decay of the moving average of the weights. */
export const EMA = 0.98;
/** Smallest scale of a tensor for relative rates. */
const SMALLEST = 0.01;
