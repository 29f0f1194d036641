import { attrInt, int } from '../ir/attribute.ts';
import type { OperatorDef } from './contract.ts';
import { relateAxes, sameShapeRule, withGrad, x } from './support/elementwise.ts';

/** Divides by the L1 or L2 norm along one axis, where a zero unit is the same as an absent one. */
export const operator: OperatorDef = {
  opType: 'LpNormalization',
  traits: { yields: 'unit-length' },
  shape: sameShapeRule,
  prune: {
    relate(ctx) {
      const value = ctx.node.input(0)!;
      const axis = attrInt(ctx.node.attributes.get('axis'), -1);
      relateAxes(ctx, value, ctx.node.output());
      ctx.reduce({ value, axis: axis < 0 ? axis + ctx.shape(value).length : axis }, 'sum');
    },
  },
  grad: withGrad((dY, { b, node, shape }) => {
    const v = node.input(0)!;
    const given = attrInt(node.attributes.get('axis'), -1);
    const axes = [given < 0 ? given + shape(v).length : given];
    const along = b.reduceSum(b.mul(dY, node.output()), axes, true);
    if (attrInt(node.attributes.get('p'), 2) === 1) {
      const norm = b.reduceSum(b.op('Abs', [v]), axes, true);
      return [b.div(b.sub(dY, b.mul(b.op('Sign', [v]), along)), norm)];
    }
    const norm = b.sqrt(b.reduceSum(b.mul(v, v), axes, true));
    return [b.div(b.sub(dY, b.mul(node.output(), along)), norm)];
  }),
  examples: [
    { name: 'last axis', inputs: [x([2, 5], [0.2, 2])] },
    { name: 'channels', attributes: [['axis', int(1)]], inputs: [x([2, 3, 4], [0.2, 2])] },
    {
      name: 'L1 norm',
      attributes: [
        ['p', int(1)],
        ['axis', int(1)],
      ],
      inputs: [x([2, 5], [0.2, 2])],
    },
  ],
};
