import { elementCount } from '../ir/dtype.ts';
import type { GradRule, OperatorDef } from './contract.ts';
import { relateAxes, withGrad, x } from './support/elementwise.ts';

/** [N,C,spatial...] to [N,C,1...]: channels pass through, the spatial axes must stay whole. */
const globalPool = (opType: string, grad: GradRule): OperatorDef => ({
  opType,
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
      // Batch and channels are left to the broadcast: their sizes may differ from run to run.
      return [b.expand(b.mul(dY, b.scalar(1 / elementCount(s.slice(2)))), [1, 1, ...s.slice(2)])];
    }),
  ),
  globalPool(
    'GlobalMaxPool',
    // Ties share the gradient.
    withGrad((dY, { b, node, shape }) => {
      const v = node.input(0)!;
      const at = b.maskFloat(b.op('Equal', [v, node.output()]));
      const spatial = shape(v)
        .map((_, i) => i)
        .slice(2);
      return [b.mul(at, b.div(dY, b.reduceSum(at, spatial, true)))];
    }),
  ),
];
