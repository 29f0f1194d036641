import type { DescribedOperator } from './contract.ts';

/** Quantizes by the range of the data; also returns the scale and the zero point. */
export const described: readonly DescribedOperator[] = [
  { opType: 'DynamicQuantizeLinear', traits: { writesEveryOutput: true } },
];
