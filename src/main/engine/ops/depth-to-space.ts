import { attrInt, attrString, int, str } from '../ir/attribute.ts';
import type { OperatorDef } from './contract.ts';

/**
 * [N, C b b, H, W] -> [N, C, H b, W b]. An output channel reads b b input channels, C apart (DCR) or adjacent (CRD).
 */
export const operator: OperatorDef = {
  opType: 'DepthToSpace',
  traits: { movement: 'permuted' },
  shape: (ctx) => {
    const [n, c, h, w] = ctx.in(0)!;
    const b = attrInt(ctx.node.attributes.get('blocksize'), 1);
    return [[n!, c! / (b * b), h! * b, w! * b]];
  },
  prune: {
    relate(ctx) {
      const [x, y] = [ctx.node.input(0)!, ctx.node.output()];
      const b = attrInt(ctx.node.attributes.get('blocksize'), 1);
      const channels = ctx.shape(y)[1]!;
      const crd = attrString(ctx.node.attributes.get('mode'), 'DCR') === 'CRD';
      ctx.same({ value: x, axis: 0 }, { value: y, axis: 0 });
      ctx.map({ value: x, axis: 1 }, { value: y, axis: 1 }, (i) => (crd ? Math.floor(i / (b * b)) : i % channels));
    },
  },
  grad: (ctx) => {
    const dY = ctx.dY();
    if (!dY) return [null];
    const b = attrInt(ctx.node.attributes.get('blocksize'), 1);
    const [n, c, h, w] = ctx.shape(ctx.node.input(0)!) as [number, number, number, number];
    const crd = attrString(ctx.node.attributes.get('mode'), 'DCR') === 'CRD';
    const apart = ctx.b.reshape(dY, [n, c / (b * b), h, b, w, b]);
    return [ctx.b.reshape(ctx.b.transpose(apart, crd ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4]), [n, c, h, w])];
  },
  examples: [
    { name: 'DCR', attributes: [['blocksize', int(2)]], inputs: [{ kind: 'x', shape: [2, 8, 2, 3] }] },
    {
      name: 'CRD',
      opset: 11,
      attributes: [
        ['blocksize', int(2)],
        ['mode', str('CRD')],
      ],
      inputs: [{ kind: 'x', shape: [1, 12, 2, 2] }],
    },
  ],
};
