import { attrInt, int } from '../ir/attribute.ts';
import { unsupported, type OperatorDef } from './contract.ts';
import { relateAxes, sameShapeRule, x } from './support/elementwise.ts';

/**
 * Local response normalization (Krizhevsky et al. 2012): each channel is divided by a norm over its neighbours, so
 * channels stay.
 */
export const operator: OperatorDef = {
  opType: 'LRN',
  shape: sameShapeRule,
  prune: {
    relate(ctx) {
      const [value, y] = [ctx.node.input(0)!, ctx.node.output()];
      const alone = attrInt(ctx.node.attributes.get('size'), 1) === 1;
      relateAxes(ctx, value, y, alone ? [] : [1]);
      if (!alone) ctx.freeze({ value, axis: 1 }, 'LRN divides each channel by its neighbours');
    },
  },
  grad: unsupported('it is not used in networks that are trained today'),
  examples: [
    { name: 'three channels', attributes: [['size', int(3)]], inputs: [x([2, 5, 2, 2])] },
    { name: 'each channel by itself', attributes: [['size', int(1)]], inputs: [x([2, 5, 2, 2])] },
  ],
};
