/**
 * Training losses as emitted nodes: scalars, averaged over the batch (axis 0) unless stated otherwise. The class axis
 * is 1; further axes (segmentation) count as samples.
 */
import { int } from '../ir/attribute.ts';
import { f32 } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import type { GraphBuilder } from './builder.ts';

const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** [N,C,...] as [rows,C], with the classes as last axis. */
function asRows(b: GraphBuilder, v: Value, shape: readonly number[]): Value {
  if (shape.length === 2) return v;
  const channelsLast = shape.map((_, i) => i).filter((i) => i !== 1);
  return b.reshape(b.transpose(v, [...channelsLast, 1]), [product(shape) / shape[1]!, shape[1]!]);
}

/** -sum(p log softmax(z)) averaged over rows; z and p [rows,C]. */
function softCrossEntropy(b: GraphBuilder, logits: Value, target: Value, rows: number, scale: number): Value {
  const logp = b.op('LogSoftmax', [logits], { axis: int(1) });
  return b.mul(b.reduceSum(b.mul(logp, target), [0, 1], false), b.scalar(-scale / rows));
}

/**
 * Softmax cross-entropy with int64 labels [N,...].
 * @param shape of the logits [N,C,...]
 * @param smoothing label smoothing: this share of the target is spread over all classes
 */
export function crossEntropy(
  b: GraphBuilder,
  logits: Value,
  labels: Value,
  shape: readonly number[],
  smoothing = 0,
): Value {
  const [rows, classes] = [product(shape) / shape[1]!, shape[1]!];
  const flat = shape.length === 2 ? labels : b.reshape(labels, [rows]);
  const values = b.tensor(f32([smoothing / classes, 1 - smoothing + smoothing / classes], [2]), 'onehot');
  const target = b.op('OneHot', [flat, b.ints([classes]), values], { axis: int(-1) });
  return softCrossEntropy(b, asRows(b, logits, shape), target, rows, 1);
}

/**
 * T^2 KL(teacher || student) at temperature T (Hinton et al. 2015, arXiv:1503.02531). Zero when the logits agree.
 * @param teacher logits [N,C,...], usually a graph input
 */
export function distillation(
  b: GraphBuilder,
  student: Value,
  teacher: Value,
  shape: readonly number[],
  temperature = 1,
): Value {
  const rows = product(shape) / shape[1]!;
  const soften = (v: Value): Value => {
    const flat = asRows(b, v, shape);
    return temperature === 1 ? flat : b.mul(flat, b.scalar(1 / temperature));
  };
  const z = soften(teacher);
  const p = b.op('Softmax', [z], { axis: int(1) });
  const scale = temperature * temperature;
  const cross = softCrossEntropy(b, soften(student), p, rows, scale);
  const entropy = softCrossEntropy(b, z, p, rows, scale);
  return b.sub(cross, entropy);
}

/** Mean squared error relative to the mean square of the target, hence comparable over outputs of any scale. */
export function relativeSquaredError(b: GraphBuilder, output: Value, target: Value, shape: readonly number[]): Value {
  const axes = shape.map((_, i) => i);
  const d = b.sub(output, target);
  const power = b.reduceSum(b.mul(target, target), axes, false);
  return b.div(b.reduceSum(b.mul(d, d), axes, false), b.add(power, b.scalar(1e-12)));
}

/** 2 (1 - cosine), mean over samples (axis 0): the relative squared error of unit vectors, independent of length. */
export function directionError(b: GraphBuilder, output: Value, target: Value, shape: readonly number[]): Value {
  const rows = shape[0]!;
  const flat = (v: Value): Value =>
    shape.length === 2 ? v : b.reshape(v, [rows, shape.slice(1).reduce((x, y) => x * y, 1)]);
  const [x, y] = [flat(output), flat(target)];
  const dot = b.reduceSum(b.mul(x, y), [1], false);
  const lengths = b.sqrt(b.mul(b.reduceSum(b.mul(x, x), [1], false), b.reduceSum(b.mul(y, y), [1], false)));
  const cosine = b.div(dot, b.add(lengths, b.scalar(1e-12)));
  return b.sub(b.scalar(2), b.mul(b.reduceSum(cosine, [0], false), b.scalar(2 / rows)));
}

/** Weighted sum of scalar losses. */
export function weightedSum(b: GraphBuilder, terms: readonly { loss: Value; weight: number }[]): Value {
  return terms.map((t) => (t.weight === 1 ? t.loss : b.mul(t.loss, b.scalar(t.weight)))).reduce((x, y) => b.add(x, y));
}
