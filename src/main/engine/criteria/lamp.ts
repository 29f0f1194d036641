import type { Criterion } from './contract.ts';
import { matrixMembers, unitSums } from './support/tensors.ts';

/**
 * Squared norm divided by the sum of squared norms of all units that are at least as large, itself included. The
 * largest unit always scores 1, which makes layers comparable (Lee et al., "Layer-adaptive Sparsity for the
 * Magnitude-based Pruning", ICLR 2021; here on units instead of single weights).
 */
export const criterion: Criterion = {
  name: 'lamp',
  summary: 'Layer-adaptive magnitude',
  needs: 'none',
  score({ group }) {
    const squares = unitSums(group.units, matrixMembers(group), (w) => w * w);
    const order = Array.from(squares.keys()).sort((a, b) => squares[b]! - squares[a]!);
    const out = new Float64Array(group.units);
    let larger = 0;
    for (const u of order) {
      larger += squares[u]!;
      out[u] = larger > 0 ? squares[u]! / larger : 0;
    }
    return out;
  },
};
