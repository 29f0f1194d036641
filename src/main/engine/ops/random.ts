/** Operators that draw random numbers. They have no rules: random results can be neither pruned nor trained. */
import type { DescribedOperator } from './contract.ts';

export const described: readonly DescribedOperator[] = [
  { opType: 'RandomNormal', traits: { random: true } },
  { opType: 'RandomUniform', traits: { random: true } },
  { opType: 'RandomNormalLike', traits: { random: true, shapeInputs: [0] } },
  { opType: 'RandomUniformLike', traits: { random: true, shapeInputs: [0] } },
  { opType: 'Multinomial', traits: { random: true } },
  { opType: 'Bernoulli', traits: { random: true } },
];
