import { attrInt, int, ints, str } from '../ir/attribute.ts';
import { elementCount } from '../ir/dtype.ts';
import type { Value } from '../ir/value.ts';
import type { GradContext, OperatorDef, PruneContext, RewriteContext } from './contract.ts';
import { channelSum, convWeightGradient } from './support/conv-grad.ts';
import { convTransposeGeometry } from './support/spatial.ts';

/** Input [N,C,...], weight [C,M/g,...], bias [M]. Groups are read as in Conv. */
function relate(ctx: PruneContext): void {
  const [x, w, b] = [ctx.node.input(0)!, ctx.node.input(1)!, ctx.node.input(2)];
  const y = ctx.node.output();
  const [channels, outPerGroup] = [ctx.shape(w)[0]!, ctx.shape(w)[1]!];
  const group = ctx.shape(y)[1]! / outPerGroup;
  const perGroup = channels / group;
  ctx.same({ value: x, axis: 0 }, { value: y, axis: 0 });
  if (b) ctx.same({ value: b, axis: 0 }, { value: y, axis: 1 });
  if (group === 1) {
    ctx.sink({ value: x, axis: 1 }, { value: w, axis: 0 });
    ctx.same({ value: w, axis: 1 }, { value: y, axis: 1 });
    return;
  }
  const readings = group >= perGroup ? (['outer', 'inner'] as const) : (['inner', 'outer'] as const);
  const reading = perGroup === 1 && outPerGroup === 1 ? 'outer' : ctx.choose<'inner' | 'outer'>(readings);
  if (reading === 'outer') {
    ctx.same({ value: w, axis: 0 }, { value: x, axis: 1 });
    ctx.map({ value: y, axis: 1 }, { value: x, axis: 1 }, (i) => Math.floor(i / outPerGroup) * perGroup);
    ctx.map({ value: x, axis: 1 }, { value: y, axis: 1 }, (i) => Math.floor(i / perGroup) * outPerGroup);
    ctx.freeze({ value: w, axis: 1 }, 'whole groups are removed');
  } else {
    ctx.sink({ value: x, axis: 1 }, { value: w, axis: 0 });
    ctx.map({ value: w, axis: 0 }, { value: x, axis: 1 }, (i) => i % perGroup);
    ctx.map({ value: y, axis: 1 }, { value: w, axis: 1 }, (i) => i % outPerGroup);
  }
}

function rewrite(ctx: RewriteContext): void {
  const group = ctx.shapeAfter(ctx.node.output())[1]! / ctx.shapeAfter(ctx.node.input(1)!)[1]!;
  if (group !== 1 || ctx.node.attributes.has('group')) ctx.node.attributes.set('group', int(group));
}

/** The transpose of Conv: dX is Conv of dY with the weight as it is, dW is Conv's weight gradient with x and dY swapped. */
function grad(ctx: GradContext): (Value | null)[] {
  const { b } = ctx;
  const [x, w] = [ctx.node.input(0)!, ctx.node.input(1)!];
  const dY = ctx.dY()!;
  const [xs, ws, ys] = [ctx.shape(x), ctx.shape(w), ctx.shape(ctx.node.output())];
  const geo = convTransposeGeometry(ctx.node, xs, ws);
  const places = xs.slice(2);
  // The mirrored Conv must give exactly x's positions: the positions that output_padding added at the end are cut off.
  const reach = places.map((p, i) => (p - 1) * geo.strides[i]! + (geo.kernel[i]! - 1) * geo.dilations[i]! + 1);
  const end = reach.map((r, i) => r - geo.begin[i]! - ys[i + 2]!);
  const axes = places.map((_, i) => i + 2);
  const cropped = end.some((p) => p < 0)
    ? b.slice(
        dY,
        axes.map(() => 0),
        ys.slice(2).map((s, i) => s + Math.min(0, end[i]!)),
        axes,
      )
    : dY;
  const croppedShape = [ys[0]!, ys[1]!, ...ys.slice(2).map((s, i) => s + Math.min(0, end[i]!))];
  const mirror = { ...geo, end: end.map((p) => Math.max(0, p)), out: places };
  return [
    ctx.needs(0)
      ? b.op('Conv', [cropped, w], {
          group: int(geo.group),
          strides: ints(geo.strides),
          dilations: ints(geo.dilations),
          pads: ints([...mirror.begin, ...mirror.end]),
        })
      : null,
    ctx.needs(1) ? convWeightGradient(b, cropped, x, croppedShape, ws, mirror) : null,
    ctx.needs(2) ? channelSum(b, dY, ys) : null,
  ];
}

export const operator: OperatorDef = {
  opType: 'ConvTranspose',
  traits: {
    linear: {
      channelAxis: 1,
      bias: 2,
      slides: true,
      matrix: () => 'ConvTranspose has no regression',
      outputs: ({ attributes }, dims) => {
        // The group of an input channel determines its range of outputs.
        const group = attrInt(attributes.get('group'), 1);
        const [inner, width, perGroup] = [elementCount(dims.slice(2)), dims[1]!, dims[0]! / group];
        return {
          channels: width * group,
          at: (e) => {
            const o = Math.floor(e / inner);
            return Math.floor(Math.floor(o / width) / perGroup) * width + (o % width);
          },
        };
      },
      groups: ({ attributes }) => attrInt(attributes.get('group'), 1),
    },
    trainable: [1, 2],
    startsKernel: true,
  },
  shape: (ctx) => {
    const [x, w] = [ctx.in(0)!, ctx.in(1)!];
    const g = convTransposeGeometry(ctx.node, x, w);
    return [[x[0]!, w[1]! * g.group, ...g.out]];
  },
  macs: (ctx) => elementCount(ctx.in(0)!) * elementCount(ctx.in(1)!.slice(1)),
  prune: { relate, rewrite },
  grad,
  examples: [
    {
      name: 'stride 2, 2x2',
      attributes: [['strides', ints([2, 2])]],
      inputs: [
        { kind: 'x', shape: [2, 3, 3, 4] },
        { kind: 'w', shape: [3, 4, 2, 2] },
        { kind: 'w', shape: [4] },
      ],
    },
    {
      name: 'padded, output padding',
      attributes: [
        ['strides', ints([2, 2])],
        ['pads', ints([1, 1, 1, 1])],
        ['output_padding', ints([1, 1])],
      ],
      inputs: [
        { kind: 'x', shape: [1, 3, 3, 3] },
        { kind: 'w', shape: [3, 2, 3, 3] },
      ],
    },
    {
      name: 'stride 1, dilated, asymmetric pads',
      attributes: [
        ['dilations', ints([2, 1])],
        ['pads', ints([1, 0, 0, 2])],
      ],
      inputs: [
        { kind: 'x', shape: [1, 2, 4, 4] },
        { kind: 'w', shape: [2, 3, 2, 3] },
        { kind: 'w', shape: [3] },
      ],
    },
    {
      name: 'grouped',
      attributes: [
        ['group', int(2)],
        ['strides', ints([2, 2])],
      ],
      inputs: [
        { kind: 'x', shape: [2, 4, 3, 3] },
        { kind: 'w', shape: [4, 3, 3, 3] },
        { kind: 'w', shape: [6] },
      ],
    },
    {
      name: 'depthwise',
      attributes: [
        ['group', int(3)],
        ['strides', ints([2, 2])],
        ['pads', ints([1, 1, 1, 1])],
      ],
      inputs: [
        { kind: 'x', shape: [1, 3, 3, 3] },
        { kind: 'w', shape: [3, 1, 4, 4] },
      ],
    },
    {
      name: '1-D, same upper',
      attributes: [
        ['auto_pad', str('SAME_UPPER')],
        ['strides', ints([2])],
      ],
      inputs: [
        { kind: 'x', shape: [2, 2, 4] },
        { kind: 'w', shape: [2, 3, 3] },
      ],
    },
    {
      name: 'output_shape',
      attributes: [
        ['strides', ints([2, 2])],
        ['output_shape', ints([6, 5])],
      ],
      inputs: [
        { kind: 'x', shape: [1, 2, 3, 3] },
        { kind: 'w', shape: [2, 2, 3, 3] },
      ],
    },
    {
      name: '3-D',
      attributes: [['strides', ints([1, 2, 2])]],
      inputs: [
        { kind: 'x', shape: [1, 2, 2, 2, 3] },
        { kind: 'w', shape: [2, 2, 2, 2, 2] },
      ],
    },
  ],
};
