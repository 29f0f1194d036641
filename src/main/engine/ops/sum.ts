import type { OperatorDef } from './contract.ts';
import { broadcastPrune, broadcastRule, w, withGrad, x } from './support/elementwise.ts';
import { likeEvery } from './traits.ts';

/** Any number of addends. */
export const operator: OperatorDef = {
  opType: 'Sum',
  traits: { elementwise: 'arithmetic', sum: true, nonNegative: likeEvery },
  shape: broadcastRule,
  prune: broadcastPrune,
  grad: withGrad((dY, { node }) => node.inputs.map(() => dY)),
  examples: [
    { name: 'three addends', inputs: [x([2, 3, 4, 4]), x([2, 3, 4, 4]), x([2, 3, 4, 4])] },
    { name: 'broadcast', inputs: [x([2, 3, 4]), w([3, 1]), w([])] },
    { name: 'one addend', inputs: [x([2, 3])] },
    { name: 'opset 8', opset: 8, inputs: [x([2, 4]), x([4])] },
  ],
};
