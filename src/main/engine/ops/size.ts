import { DType } from '../ir/dtype.ts';
import type { OperatorDef } from './contract.ts';

/** The number of elements is more often a divisor than a shape, so the axes it counts stay whole. */
export const operator: OperatorDef = {
  opType: 'Size',
  traits: { shapeInputs: [0], outputType: DType.INT64 },
  shape: () => [[]],
  prune: {
    relate(ctx) {
      const value = ctx.node.input(0)!;
      ctx.shape(value).forEach((_, axis) => ctx.freeze({ value, axis }, 'its number of elements is computed with'));
    },
  },
  grad: () => [null],
  examples: [{ name: 'size', noGrad: 'integer output', inputs: [{ kind: 'x', shape: [2, 3] }] }],
};
