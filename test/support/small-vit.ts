import { float, int, ints } from '../../src/main/engine/ir/attribute.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { f32 } from '../../src/main/engine/ir/tensor.ts';
import type { Value } from '../../src/main/engine/ir/value.ts';
import { Net } from './topologies.ts';

/**
 * A vision transformer as exporters write it, with random weights: patches of 4x4, one attention
 * block with three heads and a feed-forward part, the mean over the tokens. `x` [N,3,8,8] -> `out0`
 * [N,4].
 */
export function smallVit(width = 12, heads = 3): Model {
  const n = new Net();
  const x = n.input('N', 3, 8, 8);
  const linear = (v: Value, from: number, to: number): Value => n.op('Add', [n.linear(v, from, to), n.weight(to)]);
  const norm = (v: Value): Value =>
    n.op('LayerNormalization', [v, n.weight(width), n.weight(width)], { axis: int(-1), epsilon: float(1e-6) });
  const half = (v: number): Value => n.model.graph.addInitializer(n.model.graph.freshName('c'), f32([v], []));
  const patches = n.ops('Conv', [x, n.weight(width, 3, 4, 4), n.weight(width)], { strides: ints([4, 4]) }, 1, 'patches')[0]!; // prettier-ignore
  const tokens = n.op('Transpose', [n.op('Reshape', [patches, n.ints(0, width, 4)])], { perm: ints([0, 2, 1]) });
  let h = n.op('Add', [tokens, n.weight(1, 4, width)]);

  const y = norm(h);
  const part = (perm: number[]): Value =>
    n.op('Transpose', [n.op('Reshape', [linear(y, width, width), n.ints(0, 4, heads, width / heads)])], { perm: ints(perm) }); // prettier-ignore
  const [q, k, v] = [part([0, 2, 1, 3]), part([0, 2, 3, 1]), part([0, 2, 1, 3])];
  const scores = n.op('Softmax', [n.op('Mul', [n.op('MatMul', [q, k]), half(0.5)])], { axis: int(-1) });
  const mixed = n.op('Transpose', [n.op('MatMul', [scores, v])], { perm: ints([0, 2, 1, 3]) });
  h = n.op('Add', [h, linear(n.op('Reshape', [mixed, n.ints(0, 4, width)]), width, width)]);

  const u = linear(norm(h), width, 4 * width);
  const gelu = n.op('Mul', [
    n.op('Mul', [u, n.op('Add', [n.op('Erf', [n.op('Mul', [u, half(Math.SQRT1_2)])]), half(1)])]),
    half(0.5),
  ]);
  h = n.op('Add', [h, linear(gelu, 4 * width, width)]);
  return n.out(n.gemm(n.op('ReduceMean', [norm(h)], { axes: ints([1]), keepdims: int(0) }), width, 4));
}
