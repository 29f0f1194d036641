import { DType } from '../ir/dtype.ts';
import type { OperatorDef, Traits } from './contract.ts';
import { broadcastPrune, broadcastRule, cBool, relateAxes, sameShapeRule, zeroGrad } from './support/elementwise.ts';

const a = cBool([1, 0, 1, 1, 0, 0], [2, 3]),
  b = cBool([1, 0, 0], [3]);

const booleans: Traits = { elementwise: 'test', outputType: DType.BOOL };

export const operators: readonly OperatorDef[] = [
  ...['And', 'Or', 'Xor'].map((opType) => ({
    opType,
    traits: booleans,
    shape: broadcastRule,
    prune: broadcastPrune,
    grad: zeroGrad,
    examples: [{ name: 'broadcast', inputs: [a, b], noGrad: 'boolean' }],
  })),
  {
    opType: 'Not',
    traits: booleans,
    shape: sameShapeRule,
    prune: { relate: (ctx) => relateAxes(ctx, ctx.node.input(0)!, ctx.node.output()) },
    grad: zeroGrad,
    examples: [{ name: '2-D', inputs: [a], noGrad: 'boolean' }],
  },
];
