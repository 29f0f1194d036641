/** Training steps of the vision-language sample: a weighted cross-entropy, by Muon. */
import { buildTrainStep, type TrainStep } from '../../autodiff/index.ts';
import type { FactsLookup } from '../../autodiff/shapes.ts';
import { DType } from '../../ir/dtype.ts';
import type { Model } from '../../ir/model.ts';

export interface StepOptions {
  readonly weightDecay: number;
  /** Limit of the gradient's norm. */
  readonly clipNorm: number;
}

/**
 * The step of a model with one output `logits` of three axes. It takes `targets`, shares of the loss at the right
 * entries: [rows, vocabulary] for questions, and the shape of `logits` for patches, whose outputs are log-probabilities
 * already. The step returns `logits` as an extra.
 * @param facts of `model` at its fixed sizes
 */
export function buildVlmStep(model: Model, facts: FactsLookup, { weightDecay, clipNorm }: StepOptions): TrainStep {
  const patches = model.graph.name === 'patches';
  return buildTrainStep(model, {
    facts,
    // Other initializers are tables and constants. Questions leave the encoder as the patches taught it: gradients
    // through a decoder that knows nothing yet would undo that.
    params: [...model.graph.initializers].filter(
      (v) => /\.(weight|bias)$|^vision\.position$/.test(v.name) && (patches || !v.name.startsWith('vision.')),
    ),
    optimizer: { kind: 'muon', weightDecay },
    clipNorm,
    decays: (v) => (v.initializer?.dims.length ?? 0) > 1 && !/position|embed_tokens/.test(v.name),
    loss: ({ b, outputs, shape, input, extra }) => {
      const [out] = outputs;
      const dims = shape(out!);
      extra('logits', out!);
      const rows = patches ? dims : [dims[0]! * dims[1]!, dims[2]!];
      const logs = patches ? out! : b.op('LogSoftmax', [b.reshape(out!, rows)]);
      const product = b.mul(logs, input('targets', DType.FLOAT, rows));
      return b.neg(b.reduceSum(product, rows.map((_, axis) => axis), false)); // prettier-ignore
    },
  });
}
