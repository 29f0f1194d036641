/**
 * Batch normalization with batch statistics in a training step. Nodes compute the statistics, which is faster than the
 * runtime's training mode and also works with older operator sets.
 */
import { attrFloat, attrInt } from '../ir/attribute.ts';
import { elementCount } from '../ir/dtype.ts';
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';
import type { GradContext, GradRule } from '../ops/contract.ts';
import { channelDot, channelSum, perChannel } from '../ops/support/conv-grad.ts';
import type { GraphBuilder } from './builder.ts';

/** One BatchNormalization that normalises by its batch. It stays in the graph until the backward pass is built. */
export interface BatchStatistics {
  readonly node: Node;
  /** The initializers that hold the running mean and variance [C]. */
  readonly running: readonly [Value, Value];
  /** Mean and (population) variance of the batch [C]. */
  readonly batch: readonly [Value, Value];
  /** Replaces the operator's rule: no gradient flows through the nodes that compute the statistics. */
  readonly rule: GradRule;
  /** Replaces the node by nodes that normalise by the batch. */
  readonly spell: () => void;
}

/**
 * Emits the statistics of every inference BatchNormalization whose own statistics are constant.
 * @param shape shapes of values of the graph
 */
export function batchStatistics(b: GraphBuilder, shape: (v: Value) => readonly number[]): BatchStatistics[] {
  const found: BatchStatistics[] = [];
  for (const node of b.graph.nodes()) {
    const [x, , , mean, variance] = node.inputs;
    if (node.key !== 'BatchNormalization' || !x || !mean?.initializer || !variance?.initializer) continue;
    if (attrInt(node.attributes.get('training_mode'), 0) !== 0 || node.outputs.length > 1) continue;
    b.before = node;
    found.push({ node, running: [mean, variance], ...byBatch(b, node, shape(x)) });
    b.before = null;
  }
  return found;
}

/**
 * With xc = x - mean, s = 1 / sqrt(var + eps) and a = scale s: y = a xc + bias. The statistics depend on x too, so dx =
 * a (dY - mean(dY) - xc s^2 mean(dY xc)) (Ioffe and Szegedy 2015, arXiv:1502.03167).
 */
function byBatch(
  b: GraphBuilder,
  node: Node,
  shape: readonly number[],
): Pick<BatchStatistics, 'batch' | 'rule' | 'spell'> {
  const wide = (v: Value): Value => perChannel(b, v, shape);
  const x = node.input(0)!;
  const share = shape[1]! / elementCount(shape);
  const mean = b.mul(channelSum(b, x, shape), b.scalar(share));
  const centred = b.sub(x, wide(mean));
  const variance = b.mul(channelDot(b, centred, centred, shape), b.scalar(share));
  const epsilon = b.scalar(attrFloat(node.attributes.get('epsilon'), 1e-5));
  const inverse = b.op('Reciprocal', [b.sqrt(b.add(variance, epsilon))]);
  const a = b.mul(node.input(1)!, inverse);
  const rule = (ctx: GradContext): (Value | null)[] => {
    const dY = ctx.dY();
    if (!dY) return [];
    const dBias = channelSum(b, dY, shape);
    if (!ctx.needs(0) && !ctx.needs(1)) return [null, null, dBias];
    const dScale = b.mul(channelDot(b, dY, centred, shape), inverse);
    if (!ctx.needs(0)) return [null, dScale, dBias];
    const less = b.mul(a, b.scalar(-share));
    const along = b.mul(b.mul(less, inverse), dScale);
    const sum = b.add(b.mul(dY, wide(a)), b.mul(centred, wide(along)));
    return [b.add(sum, wide(b.mul(less, dBias))), dScale, dBias];
  };
  const spell = (): void => {
    b.before = node;
    const y = b.add(b.mul(centred, wide(a)), wide(node.input(2)!));
    b.before = null;
    node.output().replaceAllUsesWith(y);
    b.graph.remove(node);
  };
  return { batch: [mean, variance], rule, spell };
}
