import type { OperatorDef } from './contract.ts';
import { binaryExamples, broadcastPrune, broadcastRule, withGrad, x } from './support/elementwise.ts';

export const operator: OperatorDef = {
  opType: 'Mul',
  traits: { elementwise: 'arithmetic' },
  shape: broadcastRule,
  prune: broadcastPrune,
  grad: withGrad((dY, { b, node, needs }) => [
    needs(0) ? b.mul(dY, node.input(1)!) : null,
    needs(1) ? b.mul(dY, node.input(0)!) : null,
  ]),
  examples: [
    ...binaryExamples(),
    { name: 'squeeze and excite, gate first', inputs: [x([2, 3, 1, 1]), x([2, 3, 2, 4])] },
  ],
};
