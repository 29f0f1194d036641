import type { GraphBuilder } from '../../src/main/engine/autodiff/builder.ts';
import type { Value } from '../../src/main/engine/ir/value.ts';

/** Mean squared difference over all elements of two tensors of `shape`. */
export function meanSquaredError(b: GraphBuilder, output: Value, target: Value, shape: readonly number[]): Value {
  const d = b.sub(output, target);
  const axes = shape.map((_, i) => i);
  const count = shape.reduce((product, size) => product * size, 1);
  return b.mul(b.reduceSum(b.mul(d, d), axes, false), b.scalar(1 / count));
}
