import { attrInt, int } from '../ir/attribute.ts';
import { elementCount } from '../ir/dtype.ts';
import type { OperatorDef } from './contract.ts';
import { normalizeAxis, relateReshape } from './support/axes.ts';
import { likeFirst } from './traits.ts';

export const operator: OperatorDef = {
  opType: 'Flatten',
  traits: { movement: 'in-order', nonNegative: likeFirst },
  shape: (ctx) => {
    const x = ctx.in(0)!;
    const axis = normalizeAxis(attrInt(ctx.node.attributes.get('axis'), 1), x.length);
    return [[elementCount(x.slice(0, axis)), elementCount(x.slice(axis))]];
  },
  prune: { relate: (ctx) => relateReshape(ctx, ctx.node.input(0)!, ctx.node.output()) },
  grad: (ctx) => {
    const dY = ctx.dY();
    return [dY && ctx.b.reshape(dY, ctx.shape(ctx.node.input(0)!))];
  },
  examples: [
    { name: 'channels and space', inputs: [{ kind: 'x', shape: [2, 4, 3, 2] }] },
    { name: 'first axis', attributes: [['axis', int(0)]], inputs: [{ kind: 'x', shape: [3, 4] }] },
    { name: 'negative axis', opset: 11, attributes: [['axis', int(-1)]], inputs: [{ kind: 'x', shape: [2, 3, 4] }] },
  ],
};
