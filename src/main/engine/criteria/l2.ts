import type { Criterion } from './contract.ts';
import { matrixMembers, unitSums } from './support/tensors.ts';

/** Euclidean norm of the coupled matrices and kernels (group norm of Fang et al., DepGraph, CVPR 2023). */
export const criterion: Criterion = {
  name: 'l2',
  summary: 'L2 norm of the coupled weights',
  needs: 'none',
  score: ({ group }) => unitSums(group.units, matrixMembers(group), (w) => w * w).map(Math.sqrt),
};
