import { attrInt, float, int } from '../ir/attribute.ts';
import { elementCount } from '../ir/dtype.ts';
import type { Node } from '../ir/node.ts';
import { Value } from '../ir/value.ts';
import type { GraphBuilder } from './builder.ts';

/** One BatchNormalization that now normalises by its batch, and where its statistics are. */
export interface BatchStatistics {
  readonly node: Node;
  /** The initializers that hold the running mean and variance [C]. */
  readonly running: readonly [Value, Value];
  /** Mean and (population) variance of the batch [C]. */
  readonly batch: readonly [Value, Value];
}

/**
 * Turns every inference BatchNormalization with constant statistics into training mode, in place. ONNX Runtime's CPU
 * kernel computes batch statistics itself from operator set 14 on (momentum 0 makes it return them as they are); for
 * older models they are emitted as nodes, and the gradient flows through those.
 * @param shape shapes of values of the graph
 */
export function batchNormToTraining(b: GraphBuilder, shape: (v: Value) => readonly number[]): BatchStatistics[] {
  const found: BatchStatistics[] = [];
  for (const node of b.graph.nodes()) {
    const [x, , , mean, variance] = node.inputs;
    if (node.key !== 'BatchNormalization' || !x || !mean?.initializer || !variance?.initializer) continue;
    if (attrInt(node.attributes.get('training_mode'), 0) !== 0 || node.outputs.length > 1) continue;
    const running: [Value, Value] = [mean, variance];
    if (b.opset >= 14) {
      node.attributes.set('training_mode', int(1));
      node.attributes.set('momentum', float(0));
      const batch = ['mean', 'var'].map((s) => new Value(b.graph.freshName(`${node.output().name}_batch_${s}`)));
      batch.forEach((v, i) => node.setOutput(i + 1, v));
      found.push({ node, running, batch: [batch[0]!, batch[1]!] });
      continue;
    }
    b.before = node;
    const s = shape(x);
    const rows = b.reshape(x, [s[0]!, s[1]!, elementCount(s.slice(2))]);
    const count = b.scalar(s[1]! / elementCount(s));
    const batchMean = b.mul(b.reduceSum(rows, [0, 2], false), count);
    const centred = b.sub(rows, b.reshape(batchMean, [s[1]!, 1]));
    const batchVariance = b.mul(b.reduceSum(b.mul(centred, centred), [0, 2], false), count);
    b.before = null;
    node.setInput(3, batchMean);
    node.setInput(4, batchVariance);
    found.push({ node, running, batch: [batchMean, batchVariance] });
  }
  return found;
}
