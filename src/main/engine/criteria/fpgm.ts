import { matmulNT } from '../linalg.ts';
import type { Criterion } from './contract.ts';
import { axisRows, sourceMembers } from './support/tensors.ts';

/**
 * Sum of distances to all other units' filters: filters near the geometric median are the most replaceable (He et al.,
 * "Filter Pruning via Geometric Median", CVPR 2019). Filters of coupled sources are concatenated into one vector.
 */
export const criterion: Criterion = {
  name: 'fpgm',
  summary: 'Distance to the geometric median of the filters',
  needs: 'none',
  score({ group }) {
    const n = group.units,
      products = new Float64Array(n * n);
    for (const m of sourceMembers(group)) {
      const { rows, width } = axisRows(m.tensor, m.axis);
      const perUnit = Math.max(...m.indices.map((of) => of.length));
      const joined = new Float64Array(n * perUnit * width);
      m.indices.forEach((of, u) =>
        of.forEach((i, k) => joined.set(rows.subarray(i * width, (i + 1) * width), (u * perUnit + k) * width)),
      );
      const gram = matmulNT(joined, joined, n, n, perUnit * width);
      for (let i = 0; i < gram.length; i++) products[i]! += gram[i]!;
    }
    return Float64Array.from({ length: n }, (_, i) => {
      let s = 0;
      for (let j = 0; j < n; j++)
        if (j !== i)
          s += Math.sqrt(Math.max(0, products[i * n + i]! + products[j * n + j]! - 2 * products[i * n + j]!));
      return s;
    });
  },
};
