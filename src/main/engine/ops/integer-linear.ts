/** Linear operators on integers. They have no rules: they can be neither cut nor refitted. */
import type { DescribedOperator } from './contract.ts';

export const described: readonly DescribedOperator[] = [
  { opType: 'ConvInteger', traits: { integerLinear: true } },
  { opType: 'MatMulInteger', traits: { integerLinear: true } },
  { opType: 'QLinearConv', traits: { integerLinear: true } },
  { opType: 'QLinearMatMul', traits: { integerLinear: true } },
];
