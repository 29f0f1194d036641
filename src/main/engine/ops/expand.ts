import { i64 } from '../ir/tensor.ts';
import type { OperatorDef } from './contract.ts';
import { broadcastShape } from './support/elementwise.ts';

export const operator: OperatorDef = {
  opType: 'Expand',
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
      // 1 keeps the input's own size, whatever it is at run time.
      const target = to.map((n, axis) => (axis >= shift && from[axis - shift] === n ? 1 : n));
      if (!target.some((n, axis) => n !== 1 && ctx.isDynamic(y, axis))) ctx.setInts(1, target);
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
