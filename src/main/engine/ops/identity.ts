import type { OperatorDef } from './contract.ts';
import { sameAxes } from './support/axes.ts';
import { likeFirst } from './traits.ts';

export const operator: OperatorDef = {
  opType: 'Identity',
  traits: { movement: 'as-is', nonNegative: likeFirst },
  shape: (ctx) => [ctx.in(0)],
  prune: { relate: (ctx) => sameAxes(ctx, ctx.node.input(0)!, ctx.node.output()) },
  grad: (ctx) => [ctx.dY()],
  examples: [{ name: 'identity', inputs: [{ kind: 'x', shape: [2, 3] }] }],
};
