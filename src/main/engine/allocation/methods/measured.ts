import type { AllocationMethod } from './contract.ts';
import { openByCost } from './support/by-cost.ts';

/** The least output change per millisecond saved, over channels and blocks, measured by cutting and running plans. */
export const method: AllocationMethod = {
  name: 'measured',
  summary: 'Least measured change of the outputs per millisecond saved',
  cost: 'run',
  open: openByCost,
};
