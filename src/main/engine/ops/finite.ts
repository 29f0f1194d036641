import { DType } from '../ir/dtype.ts';
import type { OperatorDef } from './contract.ts';
import { relateAxes, sameShapeRule, x, zeroGrad } from './support/elementwise.ts';

/** Tests for NaN and infinity: boolean output, no gradient. */
export const operators: readonly OperatorDef[] = (
  [
    ['IsNaN', 9],
    ['IsInf', 10],
  ] as const
).map(([opType, since]) => ({
  opType,
  traits: { elementwise: 'test', outputType: DType.BOOL },
  shape: sameShapeRule,
  prune: { relate: (ctx) => relateAxes(ctx, ctx.node.input(0)!, ctx.node.output()) },
  grad: zeroGrad,
  examples: [17, since].map((opset) => ({
    name: `opset ${opset}`,
    opset,
    inputs: [x([2, 3, 4])],
    noGrad: 'boolean output',
  })),
}));
