import type { Criterion } from './contract.ts';
import { gradientSums } from './support/gradients.ts';

/**
 * sum |w g| over all coupled parameters: the first-order change of the loss, element by element (Molchanov et al.,
 * "Importance Estimation for Neural Network Pruning", CVPR 2019; 'element-1' of Ma et al., LLM-Pruner, NeurIPS 2023).
 */
export const criterion: Criterion = {
  name: 'taylor',
  summary: 'First-order change of the loss',
  needs: 'gradients',
  score: (ctx) => gradientSums(ctx, (w, g) => Math.abs(w * g)),
};
