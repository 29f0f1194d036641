import { ints } from '../ir/attribute.ts';
import { i64 } from '../ir/tensor.ts';
import type { OperatorDef } from './contract.ts';
import { intsOf, normalizeAxis, relateReshape } from './support/axes.ts';

export const operator: OperatorDef = {
  opType: 'Squeeze',
  shape: (ctx) => {
    const x = ctx.in(0)!;
    const given = intsOf(ctx.node, 'axes', (i) => ctx.constant(i), 1);
    if (!given && ctx.node.input(1)) return [null];
    const axes = given?.map((a) => normalizeAxis(a, x.length));
    return [x.filter((n, i) => (axes ? !axes.includes(i) : n !== 1))];
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
        { kind: 'x', shape: [2, 4, 1, 1] },
        { kind: 'c', tensor: i64([2, -1]) },
      ],
    },
    {
      name: 'axes as attribute',
      opset: 11,
      attributes: [['axes', ints([1])]],
      inputs: [{ kind: 'x', shape: [3, 1, 4] }],
    },
    { name: 'all unit axes', inputs: [{ kind: 'x', shape: [1, 4, 1] }] },
  ],
};
