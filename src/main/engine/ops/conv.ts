import { attrInt, int, ints, str } from '../ir/attribute.ts';
import { elementCount } from '../ir/dtype.ts';
import type { Value } from '../ir/value.ts';
import type { GradContext, OperatorDef, PruneContext, RewriteContext } from './contract.ts';
import { channelSum, convInputGradient, convWeightGradient } from './support/conv-grad.ts';
import { convGeometry } from './support/spatial.ts';

/**
 * Input [N,C,...], weight [M,C/g,...], bias [M]. With g groups, two readings are exact: whole groups are removed
 * ('outer', the only one of a depthwise convolution), or the same channel of every group is removed ('inner').
 */
function relate(ctx: PruneContext): void {
  const [x, w, b] = [ctx.node.input(0)!, ctx.node.input(1)!, ctx.node.input(2)];
  const y = ctx.node.output();
  const channels = ctx.shape(x)[1]!;
  const [outputs, perGroup] = [ctx.shape(w)[0]!, ctx.shape(w)[1]!];
  const group = channels / perGroup;
  const outPerGroup = outputs / group;
  ctx.same({ value: x, axis: 0 }, { value: y, axis: 0 });
  ctx.same({ value: w, axis: 0 }, { value: y, axis: 1 });
  if (b) ctx.same({ value: b, axis: 0 }, { value: y, axis: 1 });
  if (group === 1) {
    ctx.sink({ value: x, axis: 1 }, { value: w, axis: 1 });
    return;
  }
  const readings = group >= perGroup ? (['outer', 'inner'] as const) : (['inner', 'outer'] as const);
  const reading = perGroup === 1 ? 'outer' : ctx.choose<'inner' | 'outer'>(readings);
  if (reading === 'outer') {
    ctx.map({ value: y, axis: 1 }, { value: x, axis: 1 }, (i) => Math.floor(i / outPerGroup) * perGroup);
    ctx.map({ value: x, axis: 1 }, { value: y, axis: 1 }, (i) => Math.floor(i / perGroup) * outPerGroup);
    ctx.freeze({ value: w, axis: 1 }, 'whole groups are removed');
  } else {
    ctx.map({ value: w, axis: 0 }, { value: y, axis: 1 }, (i) => i % outPerGroup);
    ctx.sink({ value: x, axis: 1 }, { value: w, axis: 1 }, (i) => i % perGroup);
  }
}

function rewrite(ctx: RewriteContext): void {
  const group = ctx.shapeAfter(ctx.node.input(0)!)[1]! / ctx.shapeAfter(ctx.node.input(1)!)[1]!;
  if (group !== 1 || ctx.node.attributes.has('group')) ctx.node.attributes.set('group', int(group));
}

function grad(ctx: GradContext): (Value | null)[] {
  const [x, w] = [ctx.node.input(0)!, ctx.node.input(1)!];
  const dY = ctx.dY()!;
  const [xs, ws] = [ctx.shape(x), ctx.shape(w)];
  const geo = convGeometry(ctx.node, xs, ws);
  return [
    ctx.needs(0) ? convInputGradient(ctx.b, dY, w, xs, ws, geo) : null,
    ctx.needs(1) ? convWeightGradient(ctx.b, x, dY, xs, ws, geo) : null,
    ctx.needs(2) ? channelSum(ctx.b, dY, ctx.shape(ctx.node.output())) : null,
  ];
}

export const operator: OperatorDef = {
  opType: 'Conv',
  traits: {
    linear: {
      channelAxis: 1,
      bias: 2,
      slides: true,
      matrix: ({ attributes }, dims) => ({
        rows: dims[0]!,
        columns: elementCount(dims.slice(1)),
        groups: attrInt(attributes.get('group'), 1),
        rowMajor: true,
      }),
      outputs: (_node, dims) => {
        const inner = elementCount(dims.slice(1));
        return { channels: dims[0]!, at: (e) => Math.floor(e / inner) };
      },
      groups: (_node, channels, dims) => channels / dims[1]!,
    },
    trainable: [1, 2],
    startsKernel: true,
  },
  shape: (ctx) => {
    const [x, w] = [ctx.in(0)!, ctx.in(1)!];
    return [[x[0]!, w[0]!, ...convGeometry(ctx.node, x, w).out]];
  },
  macs: (ctx) => elementCount(ctx.out(0)) * elementCount(ctx.in(1)!.slice(1)),
  prune: { relate, rewrite },
  grad,
  examples: [
    {
      name: '2-D, 3x3, padded, biased',
      attributes: [['pads', ints([1, 1, 1, 1])]],
      inputs: [
        { kind: 'x', shape: [2, 3, 5, 6] },
        { kind: 'w', shape: [4, 3, 3, 3] },
        { kind: 'w', shape: [4] },
      ],
    },
    {
      name: '2-D, 1x1',
      inputs: [
        { kind: 'x', shape: [2, 5, 4, 3] },
        { kind: 'w', shape: [4, 5, 1, 1] },
      ],
    },
    {
      name: '2-D, 1x1, strided',
      attributes: [['strides', ints([2, 2])]],
      inputs: [
        { kind: 'x', shape: [2, 3, 5, 4] },
        { kind: 'w', shape: [4, 3, 1, 1] },
        { kind: 'w', shape: [4] },
      ],
    },
    {
      name: 'strided, asymmetric pads, columns left over',
      attributes: [
        ['pads', ints([1, 0, 0, 2])],
        ['strides', ints([2, 3])],
      ],
      inputs: [
        { kind: 'x', shape: [2, 2, 6, 9] },
        { kind: 'w', shape: [3, 2, 3, 2] },
        { kind: 'w', shape: [3] },
      ],
    },
    {
      name: 'dilated',
      attributes: [
        ['dilations', ints([2, 1])],
        ['pads', ints([2, 1, 2, 1])],
      ],
      inputs: [
        { kind: 'x', shape: [1, 2, 6, 5] },
        { kind: 'w', shape: [3, 2, 3, 3] },
      ],
    },
    {
      name: 'padding wider than the kernel',
      attributes: [['pads', ints([3, 3, 2, 4])]],
      inputs: [
        { kind: 'x', shape: [1, 2, 3, 3] },
        { kind: 'w', shape: [2, 2, 2, 2] },
      ],
    },
    {
      name: 'depthwise, strided',
      attributes: [
        ['group', int(4)],
        ['pads', ints([1, 1, 1, 1])],
        ['strides', ints([2, 2])],
      ],
      inputs: [
        { kind: 'x', shape: [2, 4, 5, 5] },
        { kind: 'w', shape: [4, 1, 3, 3] },
        { kind: 'w', shape: [4] },
      ],
    },
    {
      name: 'depthwise',
      attributes: [
        ['group', int(4)],
        ['pads', ints([1, 1, 1, 1])],
      ],
      inputs: [
        { kind: 'x', shape: [2, 4, 5, 5] },
        { kind: 'w', shape: [4, 1, 3, 3] },
      ],
    },
    {
      name: 'depthwise with multiplier',
      attributes: [['group', int(3)]],
      inputs: [
        { kind: 'x', shape: [2, 3, 4, 4] },
        { kind: 'w', shape: [6, 1, 2, 2] },
        { kind: 'w', shape: [6] },
      ],
    },
    {
      name: 'grouped',
      attributes: [
        ['group', int(2)],
        ['pads', ints([1, 1, 1, 1])],
      ],
      inputs: [
        { kind: 'x', shape: [2, 6, 4, 4] },
        { kind: 'w', shape: [4, 3, 3, 3] },
        { kind: 'w', shape: [4] },
      ],
    },
    {
      name: 'grouped, many groups, strided',
      attributes: [
        ['group', int(4)],
        ['strides', ints([2, 2])],
      ],
      inputs: [
        { kind: 'x', shape: [1, 8, 5, 5] },
        { kind: 'w', shape: [8, 2, 3, 3] },
      ],
    },
    {
      name: '1-D, same upper',
      attributes: [
        ['auto_pad', str('SAME_UPPER')],
        ['strides', ints([2])],
      ],
      inputs: [
        { kind: 'x', shape: [2, 3, 8] },
        { kind: 'w', shape: [2, 3, 3] },
        { kind: 'w', shape: [2] },
      ],
    },
    {
      name: '2-D, same lower',
      attributes: [['auto_pad', str('SAME_LOWER')]],
      inputs: [
        { kind: 'x', shape: [1, 2, 4, 5] },
        { kind: 'w', shape: [2, 2, 2, 4] },
      ],
    },
    {
      name: '3-D',
      attributes: [
        ['pads', ints([1, 0, 1, 1, 0, 1])],
        ['strides', ints([1, 2, 1])],
      ],
      inputs: [
        { kind: 'x', shape: [1, 2, 3, 4, 3] },
        { kind: 'w', shape: [3, 2, 3, 2, 2] },
        { kind: 'w', shape: [3] },
      ],
    },
    {
      name: 'many places, asymmetric',
      attributes: [
        ['pads', ints([1, 0, 0, 2])],
        ['dilations', ints([1, 2])],
      ],
      inputs: [
        { kind: 'x', shape: [2, 8, 18, 17] },
        { kind: 'w', shape: [8, 8, 2, 3] },
      ],
    },
    {
      name: 'many places, grouped',
      attributes: [
        ['group', int(2)],
        ['pads', ints([1, 1, 1, 1])],
      ],
      inputs: [
        { kind: 'x', shape: [1, 16, 16, 16] },
        { kind: 'w', shape: [16, 8, 3, 3] },
      ],
    },
    {
      name: 'more outputs than places',
      attributes: [['pads', ints([1, 1, 1, 1])]],
      inputs: [
        { kind: 'x', shape: [2, 2, 2, 2] },
        { kind: 'w', shape: [10, 2, 3, 3] },
      ],
    },
    {
      name: 'grouped, more outputs than places, strided',
      attributes: [
        ['group', int(2)],
        ['pads', ints([1, 1, 1, 1])],
        ['strides', ints([2, 2])],
      ],
      inputs: [
        { kind: 'x', shape: [2, 4, 3, 3] },
        { kind: 'w', shape: [20, 2, 3, 3] },
      ],
    },
    {
      name: 'depthwise, strided, opset 9',
      opset: 9,
      attributes: [
        ['group', int(3)],
        ['pads', ints([1, 1, 1, 1])],
        ['strides', ints([2, 2])],
      ],
      inputs: [
        { kind: 'x', shape: [1, 3, 5, 6] },
        { kind: 'w', shape: [3, 1, 3, 3] },
      ],
    },
    {
      name: '1x1, strided, opset 9',
      opset: 9,
      attributes: [['strides', ints([2, 1])]],
      inputs: [
        { kind: 'x', shape: [1, 3, 5, 4] },
        { kind: 'w', shape: [2, 3, 1, 1] },
      ],
    },
  ],
};
