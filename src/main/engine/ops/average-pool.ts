import { attrInt, int, ints, str, type Attribute } from '../ir/attribute.ts';
import type { Example, OperatorDef } from './contract.ts';
import { relateAxes, withGrad, x } from './support/elementwise.ts';
import { poolGeometry, tiles } from './support/pool.ts';
import { divisors, repeat, spreadSums } from './support/pool-grad.ts';
import { likeFirst } from './traits.ts';

const example = (
  name: string,
  shape: readonly number[],
  attributes: readonly (readonly [string, Attribute])[],
  opset = 17,
): Example => ({ name, opset, attributes, inputs: [x(shape)] });

export const operator: OperatorDef = {
  opType: 'AveragePool',
  traits: { landmark: true, nonNegative: likeFirst },
  shape: (ctx) => {
    const s = ctx.in(0)!;
    return [[...s.slice(0, 2), ...poolGeometry(ctx.node, s).out]];
  },
  prune: {
    relate(ctx) {
      const v = ctx.node.input(0)!;
      relateAxes(
        ctx,
        v,
        ctx.node.output(),
        ctx
          .shape(v)
          .map((_, i) => i)
          .slice(2),
      );
    },
  },
  grad: withGrad((dY, { b, node, shape }) => {
    const s = shape(node.input(0)!),
      g = poolGeometry(node, s);
    const scale = divisors(s, g, attrInt(node.attributes.get('count_include_pad'), 0) !== 0);
    const each = b.mul(dY, typeof scale === 'number' ? b.scalar(scale) : b.tensor(scale));
    return [(tiles(g) ? repeat : spreadSums)(b, each, s, g)];
  }),
  examples: [
    example(
      'tiles',
      [2, 3, 4, 6],
      [
        ['kernel_shape', ints([2, 3])],
        ['strides', ints([2, 3])],
      ],
    ),
    example(
      'tiles, rest left over',
      [1, 2, 5, 7],
      [
        ['kernel_shape', ints([2, 2])],
        ['strides', ints([2, 2])],
      ],
    ),
    example(
      'overlapping, padded',
      [2, 2, 5, 5],
      [
        ['kernel_shape', ints([3, 3])],
        ['strides', ints([2, 2])],
        ['pads', ints([1, 1, 1, 1])],
      ],
    ),
    example(
      'padding counted',
      [1, 2, 5, 4],
      [
        ['kernel_shape', ints([3, 3])],
        ['pads', ints([1, 1, 1, 1])],
        ['count_include_pad', int(1)],
      ],
    ),
    example(
      'asymmetric pads',
      [1, 2, 5, 6],
      [
        ['kernel_shape', ints([3, 2])],
        ['strides', ints([2, 1])],
        ['pads', ints([0, 1, 2, 0])],
      ],
    ),
    example(
      'ceil',
      [1, 2, 6, 6],
      [
        ['kernel_shape', ints([3, 3])],
        ['strides', ints([2, 2])],
        ['ceil_mode', int(1)],
      ],
    ),
    example(
      'ceil, padding counted',
      [1, 2, 6, 5],
      [
        ['kernel_shape', ints([3, 3])],
        ['strides', ints([2, 2])],
        ['pads', ints([1, 1, 1, 1])],
        ['ceil_mode', int(1)],
        ['count_include_pad', int(1)],
      ],
    ),
    example(
      'gaps between windows',
      [1, 2, 7, 7],
      [
        ['kernel_shape', ints([2, 2])],
        ['strides', ints([3, 3])],
      ],
    ),
    example(
      'same upper',
      [1, 2, 5, 6],
      [
        ['kernel_shape', ints([2, 3])],
        ['strides', ints([2, 2])],
        ['auto_pad', str('SAME_UPPER')],
      ],
    ),
    example(
      'same lower',
      [1, 2, 4],
      [
        ['kernel_shape', ints([2])],
        ['auto_pad', str('SAME_LOWER')],
      ],
    ),
    example(
      'valid',
      [1, 2, 5],
      [
        ['kernel_shape', ints([3])],
        ['auto_pad', str('VALID')],
      ],
    ),
    example(
      '1-D',
      [2, 3, 9],
      [
        ['kernel_shape', ints([3])],
        ['strides', ints([2])],
      ],
    ),
    example(
      '3-D',
      [1, 2, 3, 4, 4],
      [
        ['kernel_shape', ints([2, 2, 2])],
        ['strides', ints([1, 2, 2])],
      ],
    ),
    example(
      'dilated',
      [1, 2, 7, 6],
      [
        ['kernel_shape', ints([3, 2])],
        ['dilations', ints([2, 3])],
      ],
      19,
    ),
    example(
      'opset 7',
      [1, 2, 4, 4],
      [
        ['kernel_shape', ints([2, 2])],
        ['strides', ints([2, 2])],
      ],
      7,
    ),
  ],
};
