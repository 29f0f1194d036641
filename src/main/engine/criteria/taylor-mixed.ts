import type { Criterion } from './contract.ts';
import { gradientSums } from './support/gradients.ts';

/**
 * sum |w g - w^2 F / 2| over all coupled parameters, F the diagonal of the empirical Fisher matrix (mean of squared
 * gradients): first and second order together ('param_mix' of Ma et al., LLM-Pruner, NeurIPS 2023).
 */
export const criterion: Criterion = {
  name: 'taylor-mixed',
  summary: 'First- and second-order change of the loss',
  needs: 'gradients',
  score: (ctx) => gradientSums(ctx, (w, g, f) => Math.abs(w * g - 0.5 * w * w * f)),
};
