import type { AllocationMethod } from './contract.ts';
import { openByCost } from './support/by-cost.ts';

/** Same as `measured`, but output changes are predicted by the diagonal of the Fisher matrix instead of measured. */
export const method: AllocationMethod = {
  name: 'fisher',
  summary: 'Least change of the outputs predicted by curvature per millisecond saved',
  cost: 'curvature',
  open: openByCost,
};
