import { attrInt, int } from '../ir/attribute.ts';
import { unsupported, type OperatorDef } from './contract.ts';
import { cFloat, cInts, x } from './support/elementwise.ts';

/** x [N,C,H,W], boxes [R,4], image index of each box [R] to [R,C,h,w]: channels pass through. */
export const operator: OperatorDef = {
  opType: 'RoiAlign',
  shape: (ctx) => {
    const size = (name: string): number => attrInt(ctx.node.attributes.get(name), 1);
    return [[ctx.in(1)![0]!, ctx.in(0)![1]!, size('output_height'), size('output_width')]];
  },
  prune: {
    relate(ctx) {
      const [value, boxes, of, y] = [ctx.node.input(0)!, ctx.node.input(1)!, ctx.node.input(2)!, ctx.node.output()];
      ctx.same({ value, axis: 1 }, { value: y, axis: 1 });
      ctx.same({ value: boxes, axis: 0 }, { value: y, axis: 0 });
      ctx.same({ value: of, axis: 0 }, { value: y, axis: 0 });
    },
  },
  grad: unsupported('where it samples depends on data'),
  examples: [
    {
      name: 'two boxes',
      attributes: [
        ['output_height', int(2)],
        ['output_width', int(3)],
        ['sampling_ratio', int(2)],
      ],
      inputs: [x([2, 4, 6, 6]), cFloat([0, 0, 4, 4, 1, 1, 5, 3], [2, 4]), cInts([0, 1])],
    },
  ],
};
