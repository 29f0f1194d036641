import type { DescribedOperator } from './contract.ts';

/** An identity matrix of the input's shape. */
export const described: readonly DescribedOperator[] = [{ opType: 'EyeLike', traits: { shapeInputs: [0] } }];
