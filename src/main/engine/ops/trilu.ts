import { attrInt, int } from '../ir/attribute.ts';
import { relateAxes, sameShapeRule, withGrad, x } from './support/elementwise.ts';
import type { OperatorDef } from './contract.ts';

/** Keeps a triangle of the last two axes, which are positions. The axes before them pass through. */
export const operator: OperatorDef = {
  opType: 'Trilu',
  shape: sameShapeRule,
  prune: {
    relate(ctx) {
      const [value, y] = [ctx.node.input(0)!, ctx.node.output()];
      const rank = ctx.shape(value).length;
      relateAxes(ctx, value, y, [rank - 2, rank - 1]);
      for (const axis of [rank - 2, rank - 1])
        for (const v of [value, y]) ctx.freeze({ value: v, axis }, 'Trilu: these are positions');
    },
  },
  grad: withGrad((dY, { b, node }) => {
    const upper = attrInt(node.attributes.get('upper'), 1);
    const k = node.input(1);
    return [b.op('Trilu', k ? [dY, k] : [dY], { upper: int(upper) }), ...(k ? [null] : [])];
  }),
  examples: [
    { name: 'upper', inputs: [x([2, 3, 4, 4])] },
    { name: 'lower', attributes: [['upper', int(0)]], inputs: [x([2, 4, 3])] },
  ],
};
