import { f32, i64 } from '../ir/tensor.ts';
import type { OperatorDef } from './contract.ts';
import { c, relateAxes, sameShapeRule, withGrad, x } from './support/elementwise.ts';

/** Only the type of the second input counts, so its axes are free. */
export const operator: OperatorDef = {
  opType: 'CastLike',
  traits: { movement: 'as-is', shapeInputs: [1] },
  shape: sameShapeRule,
  prune: {
    relate(ctx) {
      const [value, like] = [ctx.node.input(0)!, ctx.node.input(1)!];
      relateAxes(ctx, value, ctx.node.output());
      if (like !== value) ctx.shape(like).forEach((_, axis) => ctx.free({ value: like, axis }));
    },
  },
  // Gradients are float32 throughout. A change of precision passes them; other casts are not trained through.
  grad: withGrad((dY) => [dY, null]),
  examples: [
    { name: 'float like float', inputs: [x([2, 3, 4]), c(f32([1], [1]))] },
    { name: 'like an integer', inputs: [x([2, 3], [-9, 9]), c(i64([1, 2]))], noGrad: 'integer output' },
  ],
};
