import { DType } from '../ir/dtype.ts';
import type { Example, OperatorDef } from './contract.ts';
import { broadcastPrune, broadcastRule, w, x, zeroGrad } from './support/elementwise.ts';

const examples = (opset: number): Example[] => [
  { name: 'equal shapes', opset, inputs: [x([2, 3, 4]), x([2, 3, 4])], noGrad: 'boolean output' },
  { name: 'broadcast', opset, inputs: [x([2, 3, 4]), w([3, 1])], noGrad: 'boolean output' },
];

/** Comparisons: boolean output, no gradient. */
export const operators: readonly OperatorDef[] = (
  [
    ['Equal', 11],
    ['Greater', 9],
    ['Less', 9],
    ['GreaterOrEqual', 12],
    ['LessOrEqual', 12],
  ] as const
).map(([opType, since]) => ({
  opType,
  traits: { elementwise: 'test', outputType: DType.BOOL },
  shape: broadcastRule,
  prune: broadcastPrune,
  grad: zeroGrad,
  examples: [...examples(17), ...examples(since)],
}));
