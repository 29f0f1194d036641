import type { Criterion } from './contract.ts';
import { sinkScores } from './support/sinks.ts';

/**
 * sum_i |W_ij| |x_j|_2 over the consumers of channel j (Sun et al., "A Simple and Effective Pruning Approach for Large
 * Language Models" (Wanda), ICLR 2024; summed over the column as in the structured variant of An et al., FLAP).
 */
export const criterion: Criterion = {
  name: 'activation-norm',
  summary: 'Consumer weights times activation norm (structured Wanda)',
  needs: 'activations',
  score: (ctx) => sinkScores(ctx, (s) => s.meanSquare.map(Math.sqrt), Math.abs),
};
