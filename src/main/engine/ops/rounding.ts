import type { OperatorDef } from './contract.ts';
import { unary, unaryExamples, withTraits, zeroGrad } from './support/elementwise.ts';

/** Piecewise constant: the gradient is zero wherever it exists. */
export const operators: readonly OperatorDef[] = ['Floor', 'Ceil', 'Round', 'Sign'].map((opType) =>
  withTraits(
    { elementwise: 'rounding' },
    unary(
      opType,
      zeroGrad,
      unaryExamples([-3, 3]).map((e) => ({ ...e, noGrad: 'piecewise constant' })),
    ),
  ),
);
