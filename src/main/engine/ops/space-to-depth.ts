import { attrInt, int } from '../ir/attribute.ts';
import type { OperatorDef } from './contract.ts';

/** [N, C, H b, W b] -> [N, C b b, H, W]; output channel i comes from input channel i mod C. */
export const operator: OperatorDef = {
  opType: 'SpaceToDepth',
  traits: { movement: 'permuted' },
  shape: (ctx) => {
    const [n, c, h, w] = ctx.in(0)!;
    const b = attrInt(ctx.node.attributes.get('blocksize'), 1);
    return [[n!, c! * b * b, h! / b, w! / b]];
  },
  prune: {
    relate(ctx) {
      const [x, y] = [ctx.node.input(0)!, ctx.node.output()];
      const channels = ctx.shape(x)[1]!;
      ctx.same({ value: x, axis: 0 }, { value: y, axis: 0 });
      if (channels > 1) ctx.map({ value: y, axis: 1 }, { value: x, axis: 1 }, (i) => i % channels);
    },
  },
  grad: (ctx) => {
    const dY = ctx.dY();
    if (!dY) return [null];
    const b = attrInt(ctx.node.attributes.get('blocksize'), 1);
    const [n, c, h, w] = ctx.shape(ctx.node.input(0)!) as [number, number, number, number];
    const apart = ctx.b.reshape(dY, [n, b, b, c, h / b, w / b]);
    return [ctx.b.reshape(ctx.b.transpose(apart, [0, 3, 4, 1, 5, 2]), [n, c, h, w])];
  },
  examples: [
    { name: 'blocks of 2', attributes: [['blocksize', int(2)]], inputs: [{ kind: 'x', shape: [2, 3, 4, 2] }] },
  ],
};
