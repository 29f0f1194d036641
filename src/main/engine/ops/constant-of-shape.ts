import { tensorAttr } from '../ir/attribute.ts';
import { f32, i64 } from '../ir/tensor.ts';
import type { OperatorDef } from './contract.ts';

/** Every index holds the same number, so any may be removed. */
export const operator: OperatorDef = {
  opType: 'ConstantOfShape',
  traits: { sizeInputs: [0] },
  shape: (ctx) => [ctx.constant(0)],
  prune: {
    relate(ctx) {
      const value = ctx.node.output();
      ctx.shape(value).forEach((_, axis) => ctx.free({ value, axis }));
    },
    rewrite(ctx) {
      const y = ctx.node.output();
      const shape = ctx.shapeAfter(y);
      // Even where nothing is cut here, a computed shape may depend on a width that is cut elsewhere.
      if (shape.some((_, axis) => ctx.kept(y, axis)) || !ctx.node.input(0)!.isInitializer) ctx.setSizes(0, shape);
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
