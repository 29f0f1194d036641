import type { DescribedOperator } from './contract.ts';

/** One at the largest element along an axis, zero elsewhere. */
export const described: readonly DescribedOperator[] = [{ opType: 'Hardmax', traits: { changedIn: () => [13] } }];
