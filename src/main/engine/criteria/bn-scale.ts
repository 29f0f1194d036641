import type { Criterion } from './contract.ts';
import { traitsOf } from '../ops/registry.ts';
import { sourceMembers, unitSums, weightMembers } from './support/tensors.ts';

/**
 * |gamma| of the normalisations that the units pass (Liu et al., "Learning Efficient Convolutional Networks through
 * Network Slimming", ICCV 2017). Where there is none (folded into the convolution), the norm of a unit's own weights is
 * used, because folding multiplies them by gamma.
 */
export const criterion: Criterion = {
  name: 'bn-scale',
  summary: 'Scale of the batch normalisation',
  needs: 'none',
  score({ group }) {
    const scales = weightMembers(group).filter((m) =>
      m.value.uses().some(({ node, index }) => index === traitsOf(node).scaleInput),
    );
    if (scales.length) return unitSums(group.units, scales, Math.abs);
    return unitSums(group.units, sourceMembers(group), (w) => w * w).map(Math.sqrt);
  },
};
