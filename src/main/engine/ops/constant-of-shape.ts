import { tensorAttr } from '../ir/attribute.ts';
import { f32, i64 } from '../ir/tensor.ts';
import type { OperatorDef } from './contract.ts';

/** Every index holds the same number, so any may go. */
export const operator: OperatorDef = {
  opType: 'ConstantOfShape',
  shape: (ctx) => [ctx.constant(0)],
  prune: {
    relate(ctx) {
      const value = ctx.node.output();
      ctx.shape(value).forEach((_, axis) => ctx.free({ value, axis }));
    },
    rewrite(ctx) {
      const y = ctx.node.output();
      const shape = ctx.shapeAfter(y);
      // A shape with run-time sizes is computed from other tensors' shapes, and follows them.
      if (shape.some((_, axis) => ctx.kept(y, axis)) && !shape.some((_, axis) => ctx.isDynamic(y, axis)))
        ctx.setInts(0, shape);
    },
  },
  grad: () => [null],
  examples: [
    { name: 'zeros', inputs: [{ kind: 'c', tensor: i64([2, 3]) }] },
    {
      name: 'value',
      attributes: [['value', tensorAttr(f32([0.5], [1]))]],
      inputs: [{ kind: 'c', tensor: i64([2, 1, 4]) }],
    },
  ],
};
