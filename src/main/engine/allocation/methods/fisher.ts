import type { AllocationMethod } from './contract.ts';
import { openByCost } from './support/by-cost.ts';

/** As `measured`, with output changes predicted by the diagonal of the Fisher matrix instead of being run. */
export const method: AllocationMethod = {
  name: 'fisher',
  summary: 'Least change of the outputs predicted by curvature per millisecond saved',
  cost: 'curvature',
  open: openByCost,
};
