import type { OperatorDef } from './contract.ts';
import { binaryExamples, broadcastPrune, broadcastRule, withGrad } from './support/elementwise.ts';

export const operator: OperatorDef = {
  opType: 'Sub',
  traits: { elementwise: 'arithmetic' },
  shape: broadcastRule,
  prune: broadcastPrune,
  grad: withGrad((dY, ctx) => [dY, ctx.needs(1) ? ctx.b.neg(dY) : null]),
  examples: binaryExamples(),
};
