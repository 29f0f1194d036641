import { attrInt, int } from '../ir/attribute.ts';
import { i64, f32 } from '../ir/tensor.ts';
import { unsupported, type OperatorDef } from './contract.ts';

/** indices [...], depth, values [off, on]: a new axis of `depth` at `axis` (default last). */
export const operator: OperatorDef = {
  opType: 'OneHot',
  shape: (ctx) => {
    const depth = ctx.constant(1);
    const indices = ctx.in(0)!;
    if (!depth) return [null];
    const axis = attrInt(ctx.node.attributes.get('axis'), -1);
    const at = axis < 0 ? axis + indices.length + 1 : axis;
    return [[...indices.slice(0, at), depth[0]!, ...indices.slice(at)]];
  },
  prune: unsupported('its classes are positions'),
  grad: unsupported('its indices are integers'),
  examples: [
    {
      name: 'last axis',
      inputs: [
        { kind: 'c', tensor: i64([2, 0, 1]) },
        { kind: 'c', tensor: i64([4]) },
        { kind: 'c', tensor: f32([0.1, 0.9], [2]) },
      ],
    },
    {
      name: 'first axis',
      attributes: [['axis', int(0)]],
      inputs: [
        { kind: 'c', tensor: i64([2, 0, 1, 1], [2, 2]) },
        { kind: 'c', tensor: i64([3]) },
        { kind: 'c', tensor: f32([0, 1], [2]) },
      ],
    },
  ],
};
