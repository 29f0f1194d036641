import type { DescribedOperator } from './contract.ts';

/** Quantizes by the range of the data; gives the scale and the zero point, too. */
export const described: readonly DescribedOperator[] = [
  { opType: 'DynamicQuantizeLinear', traits: { writesEveryOutput: true } },
];
