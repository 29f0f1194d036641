import type { DescribedOperator } from './contract.ts';

/** One run sees one of its two branches. A condition that is settled lets its branch take its place (take-branches.ts). */
export const described: readonly DescribedOperator[] = [
  { opType: 'If', traits: { selection: { counted: true }, writesEveryOutput: true } },
];
