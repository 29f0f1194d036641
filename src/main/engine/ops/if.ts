import type { DescribedOperator } from './contract.ts';

/**
 * One run executes only one of the two branches. A branch replaces the If where the condition is constant
 * (take-branches.ts).
 */
export const described: readonly DescribedOperator[] = [
  { opType: 'If', traits: { selection: { counted: true }, writesEveryOutput: true } },
];
