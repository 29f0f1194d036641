import type { OperatorDef } from './contract.ts';
import { binaryExamples, broadcastPrune, broadcastRule, withGrad } from './support/elementwise.ts';

export const operator: OperatorDef = {
  opType: 'Div',
  traits: { elementwise: 'arithmetic' },
  shape: broadcastRule,
  prune: broadcastPrune,
  // d(a/b) = da / b - y db / b
  grad: withGrad((dY, { b, node, needs }) => {
    const dA = b.div(dY, node.input(1)!);
    return [dA, needs(1) ? b.neg(b.mul(dA, node.output())) : null];
  }),
  examples: binaryExamples([0.5, 2]),
};
