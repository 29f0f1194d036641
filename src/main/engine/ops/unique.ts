/** Selections without rules: their results depend on data. */
import type { DescribedOperator } from './contract.ts';

export const described: readonly DescribedOperator[] = [
  { opType: 'Unique', traits: { selection: { counted: true, chosen: (node) => node.outputs.slice(1) } } },
  { opType: 'Compress', traits: { selection: { counted: true, chosen: (node) => [node.input(1)] } } },
];
