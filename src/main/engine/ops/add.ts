import type { OperatorDef } from './contract.ts';
import { binaryExamples, broadcastPrune, broadcastRule, withGrad } from './support/elementwise.ts';

export const operator: OperatorDef = {
  opType: 'Add',
  shape: broadcastRule,
  prune: broadcastPrune,
  grad: withGrad((dY) => [dY, dY]),
  examples: binaryExamples(),
};
