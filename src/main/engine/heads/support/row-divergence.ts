/** Rows of class scores compared as distributions by KL divergence: classes, tokens, queries of a set prediction. */
import { distillation } from '../../autodiff/losses.ts';
import type { GraphBuilder } from '../../autodiff/builder.ts';
import { DType } from '../../ir/dtype.ts';
import type { Value } from '../../ir/value.ts';
import { isDistribution, klDivergence, logProbabilities } from './metrics.ts';

type Numbers = Float32Array | Float64Array;

/**
 * Mean KL(want || have) of rows of `classes` scores, in nats. The first row decides whether they are logits or
 * probabilities.
 * @param want [rows * classes]
 */
export function rowDivergence(want: Numbers, classes: number): (have: Numbers) => number {
  const rows = want.length / classes;
  const distribution = isDistribution(want, 0, classes);
  const logs = Array.from({ length: rows }, (_, i) => logProbabilities(want, i * classes, classes, distribution));
  return (have) => {
    let sum = 0;
    for (let i = 0; i < rows; i++)
      sum += klDivergence(logs[i]!, logProbabilities(have, i * classes, classes, distribution));
    return sum / rows;
  };
}

/**
 * T^2 KL of rows of logits along the last axis, mean over the rows.
 * @param shape [..., classes]
 */
export function rowDistillation(
  b: GraphBuilder,
  own: Value,
  given: Value,
  shape: readonly number[],
  temperature: number,
): Value {
  const classes = shape.at(-1)!;
  const rows = [shape.reduce((x, y) => x * y, 1) / classes, classes];
  const flat = (v: Value): Value => (shape.length === 2 ? v : b.reshape(v, rows));
  return distillation(b, flat(own), flat(given), rows, temperature);
}

/**
 * A one-hot class drawn from the model's own probabilities, minus those probabilities: its covariance is the Fisher
 * information of the logits. The class is the largest of logits plus Gumbel noise. For probabilities q instead of
 * logits, the one-hot divided by q.
 * @param axis of the classes
 */
export function drawnClass(b: GraphBuilder, out: Value, gumbel: Value, axis: number, probabilities: boolean): Value {
  const logits = probabilities ? b.log(b.op('Max', [out, b.scalar(1e-12)])) : out;
  const noisy = b.add(logits, gumbel);
  const drawn = b.cast(b.equal(noisy, b.reduceMax(noisy, [axis], true)), DType.FLOAT);
  if (probabilities) return b.div(drawn, b.op('Max', [out, b.scalar(1e-12)]));
  const shifted = b.exp(b.sub(out, b.reduceMax(out, [axis], true)));
  return b.sub(drawn, b.div(shifted, b.reduceSum(shifted, [axis], true)));
}
