import { ints } from '../ir/attribute.ts';
import { i64 } from '../ir/tensor.ts';
import type { OperatorDef } from './contract.ts';
import { intsOf, normalizeAxis, relateReshape } from './support/axes.ts';
import { likeFirst } from './traits.ts';

export const operator: OperatorDef = {
  opType: 'Unsqueeze',
  traits: { movement: 'in-order', nonNegative: likeFirst, changedIn: () => [13] },
  shape: (ctx) => {
    const given = intsOf(ctx.node, 'axes', (i) => ctx.constant(i), 1);
    if (!given) return [null];
    const rest = [...ctx.in(0)!];
    const rank = rest.length + given.length;
    const axes = given.map((a) => normalizeAxis(a, rank));
    return [Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : rest.shift()!))];
  },
  prune: { relate: (ctx) => relateReshape(ctx, ctx.node.input(0)!, ctx.node.output()) },
  grad: (ctx) => {
    const dY = ctx.dY();
    return [dY && ctx.needs(0) ? ctx.b.reshape(dY, ctx.shape(ctx.node.input(0)!)) : null, null];
  },
  examples: [
    {
      name: 'axes as input',
      inputs: [
        { kind: 'x', shape: [2, 4] },
        { kind: 'c', tensor: i64([2, -1]) },
      ],
    },
    {
      name: 'axes as attribute',
      opset: 11,
      attributes: [['axes', ints([0, 2])]],
      inputs: [{ kind: 'x', shape: [3, 4] }],
    },
  ],
};
