import type { OperatorDef } from './contract.ts';
import { broadcastPrune, broadcastRule, cBool, withGrad, w, x } from './support/elementwise.ts';
import { zeros } from './support/scatter.ts';

export const operator: OperatorDef = {
  opType: 'Where',
  traits: { elementwise: 'choice' },
  shape: broadcastRule,
  prune: broadcastPrune,
  grad: withGrad((dY, { b, node, needs, shape }) => {
    const none = zeros(b, shape(node.output()));
    const c = node.input(0)!;
    return [null, needs(1) ? b.where(c, dY, none) : null, needs(2) ? b.where(c, none, dY) : null];
  }),
  examples: [
    { name: 'equal shapes', inputs: [cBool([1, 0, 0, 1, 1, 0], [2, 3]), x([2, 3]), x([2, 3])] },
    { name: 'broadcast', inputs: [cBool([1, 0, 1], [3, 1]), x([2, 3, 4]), w([])] },
  ],
};
