import type { OperatorDef } from './contract.ts';
import { broadcastPrune, broadcastRule, w, withGrad, x } from './support/elementwise.ts';

/** Any number of tensors, averaged element by element. */
export const operator: OperatorDef = {
  opType: 'Mean',
  traits: { elementwise: 'arithmetic' },
  shape: broadcastRule,
  prune: broadcastPrune,
  grad: withGrad((dY, { b, node }) => {
    const share = b.mul(dY, b.scalar(1 / node.inputs.length));
    return node.inputs.map(() => share);
  }),
  examples: [
    { name: 'three tensors', inputs: [x([2, 3, 4, 4]), x([2, 3, 4, 4]), x([2, 3, 4, 4])] },
    { name: 'broadcast', inputs: [x([2, 3, 4]), w([3, 1]), w([])] },
    { name: 'one tensor', inputs: [x([2, 3])] },
    { name: 'opset 8', opset: 8, inputs: [x([2, 4]), x([4])] },
  ],
};
