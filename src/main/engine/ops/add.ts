import type { OperatorDef } from './contract.ts';
import { binaryExamples, broadcastPrune, broadcastRule, withGrad } from './support/elementwise.ts';
import { likeEvery } from './traits.ts';

export const operator: OperatorDef = {
  opType: 'Add',
  traits: { elementwise: 'arithmetic', sum: true, trainable: [0, 1], nonNegative: likeEvery },
  shape: broadcastRule,
  prune: broadcastPrune,
  grad: withGrad((dY) => [dY, dY]),
  examples: binaryExamples(),
};
