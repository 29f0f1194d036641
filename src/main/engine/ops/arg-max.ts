import { attrInt, int } from '../ir/attribute.ts';
import { DType } from '../ir/dtype.ts';
import type { Node } from '../ir/node.ts';
import type { OperatorDef } from './contract.ts';
import { x, zeroGrad } from './support/elementwise.ts';

const axisOf = (node: Node, rank: number): number => {
  const a = attrInt(node.attributes.get('axis'), 0);
  return a < 0 ? a + rank : a;
};

/** The index along an axis. Removing entries would renumber the result, so the axis is frozen. */
const argument = (opType: string): OperatorDef => ({
  opType,
  traits: { outputType: DType.INT64, selection: {}, ...(opType === 'ArgMax' && { yields: 'argmax' }) },
  shape: ({ node, in: input }) => {
    const s = input(0)!,
      axis = axisOf(node, s.length);
    const keep = attrInt(node.attributes.get('keepdims'), 1) !== 0;
    return [s.flatMap((extent, i) => (i !== axis ? [extent] : keep ? [1] : []))];
  },
  prune: {
    relate(ctx) {
      const value = ctx.node.input(0)!,
        y = ctx.node.output(),
        shape = ctx.shape(value);
      const axis = axisOf(ctx.node, shape.length),
        keep = attrInt(ctx.node.attributes.get('keepdims'), 1) !== 0;
      shape.forEach((extent, i) => {
        if (extent <= 1) return;
        if (i === axis) ctx.freeze({ value, axis: i }, `${opType} answers with an index along this axis`);
        else ctx.same({ value, axis: i }, { value: y, axis: keep || i < axis ? i : i - 1 });
      });
    },
  },
  grad: zeroGrad,
  examples: [
    { name: 'default axis', inputs: [x([3, 4])], noGrad: 'integer output' },
    {
      name: 'last axis, dropped',
      attributes: [
        ['axis', int(-1)],
        ['keepdims', int(0)],
      ],
      inputs: [x([2, 3, 4])],
      noGrad: 'integer output',
    },
    { name: 'channels', attributes: [['axis', int(1)]], inputs: [x([2, 3, 4, 4])], noGrad: 'integer output' },
  ],
});

export const operators: readonly OperatorDef[] = [argument('ArgMax'), argument('ArgMin')];
