import type { Structure } from '../../structures/contract.ts';
import type { AllocationMethod } from './contract.ts';
import { keepBest, openByScores } from './support/by-scores.ts';

/** One ranking per class of structures whose weights have the same shapes (isomorphic pruning, Fang et al. 2024). */
export const method: AllocationMethod = {
  name: 'isomorphic',
  summary: 'One ranking per class of groups of the same shape; a baseline',
  cost: null,
  open: (ctx) =>
    openByScores(ctx, (structures, share) => {
      const keep = new Map<string, number>();
      for (const alike of Map.groupBy(structures, shapeOf).values())
        for (const [id, n] of keepBest(alike, share, (s) => ctx.scores.get(s.id)!)) keep.set(id, n);
      return keep;
    }),
};

const shapeOf = ({ kind, axes }: Structure): string =>
  [
    axes ? '' : kind.name,
    ...(axes?.members ?? [])
      .filter((m) => m.value.initializer)
      .map((m) => `${m.role}${m.axis}:${m.value.initializer!.dims.join('x')}`)
      .sort(),
  ].join(' ');
