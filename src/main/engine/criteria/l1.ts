import type { Criterion } from './contract.ts';
import { matrixMembers, unitSums } from './support/tensors.ts';

/**
 * Sum of absolute weights over the coupled matrices and kernels (Li et al., "Pruning Filters for Efficient ConvNets", ICLR
 * 2017; coupled as in Fang et al., DepGraph, CVPR 2023).
 */
export const criterion: Criterion = {
  name: 'l1',
  summary: 'L1 norm of the coupled weights',
  needs: 'none',
  score: ({ group }) => unitSums(group.units, matrixMembers(group), Math.abs),
};
