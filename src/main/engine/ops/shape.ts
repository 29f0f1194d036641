import { attrInt, int } from '../ir/attribute.ts';
import { DType } from '../ir/dtype.ts';
import type { OperatorDef } from './contract.ts';
import { normalizeAxis } from './support/axes.ts';

/**
 * Reads only sizes, so any axis of its input may shrink: readers of the sizes follow, or their own rewrite fixes them.
 * Surgery preserves sizes that become floating-point factors.
 */
export const operator: OperatorDef = {
  opType: 'Shape',
  traits: { shapeInputs: [0], outputType: DType.INT64 },
  shape: (ctx) => {
    const rank = ctx.in(0)!.length;
    const clamp = (i: number): number => Math.min(Math.max(normalizeAxis(i, rank), 0), rank);
    const start = clamp(attrInt(ctx.node.attributes.get('start'), 0));
    const end = clamp(attrInt(ctx.node.attributes.get('end'), rank));
    return [[Math.max(0, end - start)]];
  },
  prune: {
    relate(ctx) {
      const value = ctx.node.input(0)!;
      ctx.shape(value).forEach((_, axis) => ctx.free({ value, axis }));
    },
  },
  grad: () => [null],
  examples: [
    { name: 'all axes', noGrad: 'integer output', inputs: [{ kind: 'x', shape: [2, 3, 4] }] },
    {
      name: 'some axes',
      noGrad: 'integer output',
      attributes: [
        ['start', int(1)],
        ['end', int(-1)],
      ],
      inputs: [{ kind: 'x', shape: [2, 3, 4] }],
    },
  ],
};
