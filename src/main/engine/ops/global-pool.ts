import { elementCount } from '../ir/dtype.ts';
import { f32 } from '../ir/tensor.ts';
import type { GradRule, OperatorDef } from './contract.ts';
import { equal, relateAxes, withGrad, x } from './support/elementwise.ts';
import { likeFirst } from './traits.ts';

/** [N,C,spatial...] to [N,C,1...]: channels pass through; the spatial axes must stay whole. */
const globalPool = (opType: string, grad: GradRule): OperatorDef => ({
  opType,
  traits: { yields: 'pooled', landmark: true, nonNegative: likeFirst },
  shape: (ctx) => [ctx.in(0)!.map((extent, i) => (i < 2 ? extent : 1))],
  prune: {
    relate(ctx) {
      const value = ctx.node.input(0)!;
      const spatial = ctx
        .shape(value)
        .map((_, i) => i)
        .slice(2);
      relateAxes(ctx, value, ctx.node.output(), spatial);
      for (const axis of spatial)
        if (ctx.shape(value)[axis]! > 1) ctx.freeze({ value, axis }, `${opType} pools over this axis`);
    },
  },
  grad,
  examples: [
    { name: '2-D', inputs: [x([2, 3, 4, 5])] },
    { name: '1-D', inputs: [x([2, 3, 7])] },
    { name: '3-D', inputs: [x([1, 2, 2, 3, 2])] },
    { name: 'already one by one', inputs: [x([2, 3, 1, 1])] },
  ],
});

export const operators: readonly OperatorDef[] = [
  globalPool(
    'GlobalAveragePool',
    withGrad((dY, { b, node, shape }) => {
      const s = shape(node.input(0)!);
      const n = elementCount(s.slice(2));
      // One product both scales and broadcasts.
      return [b.mul(dY, b.tensor(f32(new Float32Array(n).fill(1 / n), [1, 1, ...s.slice(2)])))];
    }),
  ),
  globalPool(
    'GlobalMaxPool',
    // Ties share the gradient.
    withGrad((dY, { b, node, shape }) => {
      const v = node.input(0)!;
      const at = b.maskFloat(equal(b, v, node.output()));
      const spatial = shape(v)
        .map((_, i) => i)
        .slice(2);
      return [b.mul(at, b.div(dY, b.reduceSum(at, spatial, true)))];
    }),
  ),
];
