/**
 * Reinserts batch normalization for training: after every convolution a BatchNormalization whose scale and shift are
 * the deviation and mean of the output, so that the model's function is unchanged. Folded networks tolerate only small
 * steps; with normalization they train like the network they came from. Folding restores the original form of the
 * model.
 */
import { float } from '../ir/attribute.ts';
import { DType } from '../ir/dtype.ts';
import type { Model } from '../ir/model.ts';
import { Node } from '../ir/node.ts';
import { f32 } from '../ir/tensor.ts';
import { Value } from '../ir/value.ts';

export interface Moments {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

const EPSILON = 1e-5;

/** Convolution outputs that may be normalized: float weights, and not an output of the model itself. */
export function normalizable(model: Model): Value[] {
  const out: Value[] = [];
  for (const n of model.graph.nodes()) {
    if (n.key !== 'Conv' || n.input(1)?.initializer?.dtype !== DType.FLOAT) continue;
    const y = n.output();
    if (y.isGraphOutput || y.consumers().some((c) => c.key === 'BatchNormalization')) continue;
    out.push(y);
  }
  return out;
}

/**
 * Changes the model in place.
 * @param moments per channel of each value, over samples and positions
 */
export function insertNormalization(model: Model, moments: ReadonlyMap<Value, Moments>): void {
  const { graph } = model;
  for (const [y, { mean, variance }] of moments) {
    const conv = y.producer!;
    const constant = (name: string, data: Float32Array): Value =>
      graph.addInitializer(graph.freshName(`${y.name}_${name}`), f32(data, [data.length]));
    const inputs = [
      constant(
        'scale',
        Float32Array.from(variance, (v) => Math.sqrt(v + EPSILON)),
      ),
      constant('shift', Float32Array.from(mean)),
      constant('mean', Float32Array.from(mean)),
      constant('variance', Float32Array.from(variance)),
    ];
    const out = new Value(graph.freshName(`${y.name}_normalized`), y.type);
    y.replaceAllUsesWith(out);
    const node = new Node('BatchNormalization', [y, ...inputs], [out], {
      name: graph.freshName(`${conv.name || y.name}_normalization`),
      attributes: [['epsilon', float(EPSILON)]],
    });
    graph.insertAfter(conv, node);
  }
}
