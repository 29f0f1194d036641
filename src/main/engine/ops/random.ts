/** Operators that draw numbers. They have no rules: nothing can be pruned or trained through chance. */
import type { DescribedOperator } from './contract.ts';

export const described: readonly DescribedOperator[] = [
  { opType: 'RandomNormal', traits: { random: true } },
  { opType: 'RandomUniform', traits: { random: true } },
  { opType: 'RandomNormalLike', traits: { random: true, shapeInputs: [0] } },
  { opType: 'RandomUniformLike', traits: { random: true, shapeInputs: [0] } },
  { opType: 'Multinomial', traits: { random: true } },
  { opType: 'Bernoulli', traits: { random: true } },
];
