import { i64 } from '../ir/tensor.ts';
import type { OperatorDef } from './contract.ts';

export const operator: OperatorDef = {
  opType: 'Tile',
  traits: { movement: 'repeated', sizeInputs: [1] },
  shape: (ctx) => {
    const repeats = ctx.constant(1);
    return [repeats && ctx.in(0)!.map((n, i) => n * repeats[i]!)];
  },
  prune: {
    relate(ctx) {
      const [x, y] = [ctx.node.input(0)!, ctx.node.output()];
      ctx.shape(x).forEach((n, axis) => {
        if (ctx.shape(y)[axis] === n) ctx.same({ value: x, axis }, { value: y, axis });
        else if (n === 1) ctx.free({ value: y, axis });
        else ctx.map({ value: y, axis }, { value: x, axis }, (i) => i % n);
      });
    },
    rewrite(ctx) {
      const [x, y] = [ctx.node.input(0)!, ctx.node.output()];
      const [from, to, before] = [ctx.shapeAfter(x), ctx.shapeAfter(y), ctx.shapeBefore(x)];
      // Copies of wider axes are removed together and need no other count.
      if (!from.some((_, axis) => before[axis] === 1 && ctx.kept(y, axis))) return;
      ctx.setSizes(
        1,
        from.map((n, axis) => to[axis]! / n),
      );
    },
  },
  grad: (ctx) => {
    const dY = ctx.dY();
    if (!dY || !ctx.needs(0)) return [null, null];
    const [x, y] = [ctx.shape(ctx.node.input(0)!), ctx.shape(ctx.node.output())];
    const apart = x.flatMap((n, i) => [y[i]! / n, n]);
    const copies = x.map((_, i) => 2 * i);
    return [ctx.b.reduceSum(ctx.b.reshape(dY, apart), copies, false), null];
  },
  examples: [
    {
      name: 'copies of channels and of one row',
      inputs: [
        { kind: 'x', shape: [1, 3, 2] },
        { kind: 'c', tensor: i64([2, 2, 1]) },
      ],
    },
  ],
};
