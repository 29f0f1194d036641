import type { Criterion } from './contract.ts';
import { sinkScores } from './support/sinks.ts';

/**
 * Weighted input feature variance: Var(x_j) sum_i W_ij^2, the cost of removing channel j when its mean is moved into
 * the bias. Standardised inside the group, so that scores of different layers can be ranked together (An et al.,
 * "Fluctuation-based Adaptive Structured Pruning" (FLAP), AAAI 2024).
 */
export const criterion: Criterion = {
  name: 'wifv',
  summary: 'Variance of the activations times consumer weights (FLAP)',
  needs: 'activations',
  score(ctx) {
    const raw = sinkScores(
      ctx,
      (s) => s.variance,
      (w) => w * w,
    );
    const n = raw.length,
      mean = raw.reduce((s, x) => s + x / n, 0);
    const sd = Math.sqrt(raw.reduce((s, x) => s + (x - mean) ** 2 / n, 0));
    return raw.map((x) => (sd > 0 ? (x - mean) / sd : 0));
  },
};
