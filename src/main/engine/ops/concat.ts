import { attrInt, int } from '../ir/attribute.ts';
import type { OperatorDef } from './contract.ts';
import { normalizeAxis, sameAxes } from './support/axes.ts';
import { likeEvery } from './traits.ts';

export const operator: OperatorDef = {
  opType: 'Concat',
  traits: { movement: 'joined', nonNegative: likeEvery },
  shape: (ctx) => {
    const first = ctx.in(0)!;
    const axis = normalizeAxis(attrInt(ctx.node.attributes.get('axis'), 0), first.length);
    const total = ctx.node.inputs.reduce((n, _, i) => n + ctx.in(i)![axis]!, 0);
    return [first.map((n, i) => (i === axis ? total : n))];
  },
  prune: {
    relate(ctx) {
      const y = ctx.node.output();
      const axis = normalizeAxis(attrInt(ctx.node.attributes.get('axis'), 0), ctx.shape(y).length);
      let at = 0;
      for (const x of ctx.node.inputs) {
        const begin = at;
        sameAxes(ctx, x!, y, [axis]);
        ctx.map({ value: x!, axis }, { value: y, axis }, (i) => i + begin);
        at += ctx.shape(x!)[axis]!;
      }
    },
  },
  grad: (ctx) => {
    const dY = ctx.dY();
    const shapes = ctx.node.inputs.map((x) => ctx.shape(x!));
    const axis = normalizeAxis(attrInt(ctx.node.attributes.get('axis'), 0), shapes[0]!.length);
    let at = 0;
    return shapes.map((s, i) => {
      const [begin, end] = [at, (at += s[axis]!)];
      return dY && ctx.needs(i) ? ctx.b.slice(dY, [begin], [end], [axis]) : null;
    });
  },
  examples: [
    {
      name: 'channels',
      attributes: [['axis', int(1)]],
      inputs: [
        { kind: 'x', shape: [2, 3, 2] },
        { kind: 'x', shape: [2, 1, 2] },
        { kind: 'w', shape: [2, 4, 2] },
      ],
    },
    {
      name: 'negative axis',
      opset: 11,
      attributes: [['axis', int(-1)]],
      inputs: [
        { kind: 'x', shape: [2, 3] },
        { kind: 'x', shape: [2, 2] },
      ],
    },
  ],
};
