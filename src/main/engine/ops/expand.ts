import { i64 } from '../ir/tensor.ts';
import type { OperatorDef } from './contract.ts';
import { broadcastShape } from './support/elementwise.ts';

export const operator: OperatorDef = {
  opType: 'Expand',
  traits: { movement: 'repeated', sizeInputs: [1] },
  shape: (ctx) => {
    const target = ctx.constant(1);
    return [target && broadcastShape(ctx.in(0)!, target)];
  },
  prune: {
    relate(ctx) {
      const [x, y] = [ctx.node.input(0)!, ctx.node.output()];
      const [from, to] = [ctx.shape(x), ctx.shape(y)];
      const shift = to.length - from.length;
      to.forEach((n, axis) => {
        if (axis >= shift && from[axis - shift] === n) ctx.same({ value: x, axis: axis - shift }, { value: y, axis });
        else ctx.free({ value: y, axis }); // copies of one index
      });
    },
    rewrite(ctx) {
      const [x, y] = [ctx.node.input(0)!, ctx.node.output()];
      const [from, to] = [ctx.shapeAfter(x), ctx.shapeAfter(y)];
      if (!to.some((_, axis) => ctx.kept(y, axis))) return;
      const shift = to.length - from.length;
      // 1 keeps the input's own size, whatever it is at run time. A stretched axis may have size 1 in this run only.
      const own = (n: number, axis: number): boolean =>
        axis >= shift &&
        from[axis - shift] === n &&
        (!ctx.isDynamic(y, axis) || ctx.sameLength(x, axis - shift, y, axis));
      if (!to.some((n, axis) => !own(n, axis) && ctx.isDynamic(y, axis)))
        return ctx.setInts(
          1,
          to.map((n, axis) => (own(n, axis) ? 1 : n)),
        );
      // Axes missing from the target are the input's own.
      const named = ctx.constant(ctx.node.input(1)) ?? to;
      const first = to.length - named.length;
      ctx.setSizes(
        1,
        named.map((was, i) => {
          const axis = first + i;
          if (!own(to[axis]!, axis)) return to[axis]!;
          return ctx.isDynamic(y, axis) ? was : 1;
        }),
      );
    },
  },
  grad: (ctx) => [ctx.dY(), null],
  examples: [
    {
      name: 'new and stretched axes',
      inputs: [
        { kind: 'x', shape: [3, 1] },
        { kind: 'c', tensor: i64([2, 3, 4]) },
      ],
    },
    {
      name: 'token',
      inputs: [
        { kind: 'w', shape: [1, 1, 4] },
        { kind: 'c', tensor: i64([2, 1, 4]) },
      ],
    },
    {
      name: 'target smaller than the input, opset 8',
      opset: 8,
      inputs: [
        { kind: 'x', shape: [2, 3] },
        { kind: 'c', tensor: i64([1]) },
      ],
    },
  ],
};
