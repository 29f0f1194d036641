import { int, ints, str, type Attribute } from '../ir/attribute.ts';
import type { Node } from '../ir/node.ts';
import { Value } from '../ir/value.ts';
import type { Example, GradContext, OperatorDef } from './contract.ts';
import { equal, relateAxes, withGrad, x } from './support/elementwise.ts';
import { poolGeometry, tiles, type PoolGeometry } from './support/pool.ts';
import { fit, repeat } from './support/pool-grad.ts';
import { likeFirst } from './traits.ts';

const example = (
  name: string,
  shape: readonly number[],
  attributes: readonly (readonly [string, Attribute])[],
  opset = 17,
): Example => ({ name, opset, attributes, inputs: [x(shape)] });

/** The node's second output: the position of each maximum, counted over the whole input. Added when missing. */
function indicesOf(node: Node): Value {
  const known = node.outputs[1];
  if (known?.name) return known;
  const indices = new Value(node.graph!.freshName(`${node.output().name}_indices`));
  node.setOutput(1, indices);
  return indices;
}

/** Where windows tile the input: the gradient goes to the elements equal to their window's maximum; ties share it. */
function gradTiles(dY: Value, { b, node }: GradContext, s: readonly number[], g: PoolGeometry): Value {
  const v = node.input(0)!;
  const at = b.maskFloat(equal(b, v, repeat(b, node.output(), s, g)));
  // The mean of the mask over a window times the kernel's size counts the ties.
  const whole = g.out.map((o, i) => o * g.kernel[i]!);
  const share = b.op('AveragePool', [fit(b, at, s.slice(2), whole)], {
    kernel_shape: ints(g.kernel),
    strides: ints(g.strides),
  });
  const size = g.kernel.reduce((p, k) => p * k, 1);
  return b.mul(at, repeat(b, b.div(b.mul(dY, b.scalar(1 / size)), share), s, g));
}

/**
 * Overlapping windows: the runtime's MaxUnpool overwrites instead of adding. The windows are therefore divided into
 * classes without overlap (every second one for kernel 3, stride 2), and the classes are summed.
 */
function gradIndices(dY: Value, { b, node }: GradContext, g: PoolGeometry): Value {
  const indices = indicesOf(node);
  const size = b.op('Shape', [node.input(0)!]);
  const attributes = { kernel_shape: ints(g.kernel), strides: ints(g.strides) };
  const steps = g.kernel.map((k, i) => Math.min(g.out[i]!, Math.ceil(((k - 1) * g.dilations[i]! + 1) / g.strides[i]!)));
  let starts: number[][] = [[]];
  for (const n of steps) starts = starts.flatMap((p) => Array.from({ length: n }, (_, i) => [...p, i]));
  const parts = starts.map((start) => {
    const pick = (v: Value): Value =>
      starts.length === 1
        ? v
        : b.slice(
            v,
            start,
            g.out,
            start.map((_, i) => i + 2),
            steps,
          );
    return b.op('MaxUnpool', [pick(dY), pick(indices), size], attributes);
  });
  return parts.length === 1 ? parts[0]! : b.op('Sum', parts);
}

export const operator: OperatorDef = {
  opType: 'MaxPool',
  traits: { landmark: true, nonNegative: likeFirst },
  shape: (ctx) => {
    const s = ctx.in(0)!;
    const out = [...s.slice(0, 2), ...poolGeometry(ctx.node, s).out];
    return ctx.node.outputs.map(() => out);
  },
  prune: {
    relate(ctx) {
      const v = ctx.node.input(0)!;
      const spatial = ctx
        .shape(v)
        .map((_, i) => i)
        .slice(2);
      relateAxes(ctx, v, ctx.node.output(), spatial);
      const indices = ctx.node.outputs[1];
      if (!indices?.name || !(indices.isUsed || indices.isGraphOutput)) return;
      for (const value of [v, ctx.node.output(), indices])
        if (ctx.shape(value)[1]! > 1)
          ctx.freeze({ value, axis: 1 }, 'the indices of MaxPool are read, and they count over all channels');
    },
  },
  grad: withGrad((dY, ctx) => {
    const s = ctx.shape(ctx.node.input(0)!),
      g = poolGeometry(ctx.node, s);
    return [tiles(g) ? gradTiles(dY, ctx, s, g) : gradIndices(dY, ctx, g)];
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
      [2, 2, 6, 5],
      [
        ['kernel_shape', ints([3, 3])],
        ['strides', ints([2, 2])],
        ['pads', ints([1, 1, 1, 1])],
      ],
    ),
    example(
      'stride 1',
      [1, 2, 5, 5],
      [
        ['kernel_shape', ints([3, 3])],
        ['pads', ints([1, 1, 1, 1])],
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
      'ceil tiles',
      [1, 2, 5, 5],
      [
        ['kernel_shape', ints([2, 2])],
        ['strides', ints([2, 2])],
        ['ceil_mode', int(1)],
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
      'dilated',
      [1, 2, 7, 6],
      [
        ['kernel_shape', ints([3, 2])],
        ['dilations', ints([2, 3])],
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
      'same lower, 1-D',
      [1, 2, 4],
      [
        ['kernel_shape', ints([2])],
        ['auto_pad', str('SAME_LOWER')],
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
      '3-D tiles',
      [1, 2, 2, 4, 4],
      [
        ['kernel_shape', ints([1, 2, 2])],
        ['strides', ints([1, 2, 2])],
      ],
    ),
    example(
      'opset 11',
      [1, 2, 4, 4],
      [
        ['kernel_shape', ints([3, 3])],
        ['strides', ints([2, 2])],
      ],
      11,
    ),
    {
      ...example(
        'with indices',
        [2, 2, 4, 4],
        [
          ['kernel_shape', ints([2, 2])],
          ['strides', ints([2, 2])],
        ],
      ),
      outputs: 2,
    },
    example(
      'opset 8',
      [1, 2, 4, 4],
      [
        ['kernel_shape', ints([2, 2])],
        ['strides', ints([2, 2])],
      ],
      8,
    ),
  ],
};
