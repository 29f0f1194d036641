import { attrInts, floats, ints, str } from '../ir/attribute.ts';
import { f32, i64 } from '../ir/tensor.ts';
import type { Example, GradContext, OperatorDef, PruneRule, ShapeRule } from './contract.ts';
import { axisScales, interpolation, notSeparable, resizeInputs } from './support/resize.ts';

const shape: ShapeRule = (ctx) => {
  const x = ctx.in(0)!;
  const scales = axisScales(ctx.node, ctx.opset, x, (i) => ctx.constant(i));
  return [scales && x.map((n, axis) => scales.find((s) => s.axis === axis)?.size ?? n)];
};

/** Axes that keep their size pass through: an axis of width n resized to n reads each index from itself. */
const prune: PruneRule = {
  relate(ctx) {
    const [x, y] = [ctx.node.input(0)!, ctx.node.output()];
    if (notSeparable(ctx.node) === 'tf_crop_and_resize') return;
    ctx.shape(x).forEach((n, axis) => {
      if (ctx.shape(y)[axis] === n) ctx.same({ value: x, axis }, { value: y, axis });
    });
  },
  rewrite(ctx) {
    const { node } = ctx;
    const [x, y] = [node.input(0)!, node.output()];
    const at = resizeInputs(node, ctx.opset).sizes;
    const sizes = node.input(at) ? ctx.constant(node.input(at)) : null;
    if (!sizes || !ctx.shapeBefore(x).some((_, axis) => ctx.kept(x, axis))) return;
    const rank = ctx.shapeBefore(x).length;
    const axes = attrInts(node.attributes.get('axes')) ?? sizes.map((_, i) => i);
    const after = axes.map((a) => ctx.shapeAfter(y)[a < 0 ? a + rank : a]!);
    ctx.setSizes(at, after);
  },
};

/** dX = dY M along each resized axis, M its interpolation matrix. */
function grad(ctx: GradContext): ReturnType<Extract<OperatorDef['grad'], (...a: never[]) => unknown>> {
  const { b, node } = ctx;
  const none = node.inputs.slice(1).map(() => null);
  let g = ctx.dY();
  if (!g || !ctx.needs(0)) return [null, ...none];
  const x = ctx.shape(node.input(0)!);
  const scales = axisScales(node, ctx.opset, x, (i) => ctx.constant(node.input(i)));
  const reason = scales ? notSeparable(node) : 'a size that depends on data';
  if (reason) throw new Error(`gradient of ${node.opType} with ${reason}`);
  for (const s of scales!) {
    const n = x[s.axis]!;
    if (s.size === n && s.scale === 1) continue;
    const matrix = b.tensor(f32(interpolation(node, ctx.opset, n, s), [s.size, n]));
    const swap = x.map((_, i) => i);
    [swap[s.axis], swap[x.length - 1]] = [x.length - 1, s.axis];
    const last = s.axis === x.length - 1;
    const product = b.matmul(last ? g : b.transpose(g, swap), matrix);
    g = last ? product : b.transpose(product, swap);
  }
  return [g, ...none];
}

const scales = (v: readonly number[]): Example['inputs'][number] => ({ kind: 'c', tensor: f32(v, [v.length]) });
const input = { kind: 'x', shape: [1, 2, 3, 4] } as const;

const resize: OperatorDef = {
  opType: 'Resize',
  traits: { movement: 'resampled', sizeInputs: [2, 3], landmark: true, changedIn: () => [11] },
  shape,
  prune,
  grad,
  examples: [
    { name: 'nearest, doubled', inputs: [input, null, scales([1, 1, 2, 2])] },
    {
      name: 'linear, sizes',
      attributes: [['mode', str('linear')]],
      inputs: [input, null, null, { kind: 'c', tensor: i64([1, 2, 5, 7]) }],
    },
    {
      name: 'linear, corners aligned',
      attributes: [
        ['mode', str('linear')],
        ['coordinate_transformation_mode', str('align_corners')],
      ],
      inputs: [input, null, null, { kind: 'c', tensor: i64([1, 2, 6, 6]) }],
    },
    {
      name: 'nearest, asymmetric, floor',
      attributes: [
        ['coordinate_transformation_mode', str('asymmetric')],
        ['nearest_mode', str('floor')],
      ],
      inputs: [input, null, scales([1, 1, 1.5, 2])],
    },
    {
      name: 'cubic, pytorch',
      attributes: [
        ['mode', str('cubic')],
        ['coordinate_transformation_mode', str('pytorch_half_pixel')],
      ],
      inputs: [input, null, scales([1, 1, 2, 2])],
    },
    {
      name: 'sizes of some axes, opset 18',
      opset: 18,
      attributes: [
        ['mode', str('linear')],
        ['axes', ints([2, 3])],
      ],
      inputs: [input, null, null, { kind: 'c', tensor: i64([6, 2]) }],
    },
    { name: 'opset 10', opset: 10, inputs: [input, scales([1, 1, 2, 3])] },
  ],
};

const upsample: OperatorDef = {
  opType: 'Upsample',
  traits: { movement: 'resampled', landmark: true, changedIn: () => [9, 10] },
  shape,
  prune,
  grad,
  examples: [
    { name: 'scales as input', opset: 9, inputs: [input, scales([1, 1, 2, 2])] },
    {
      name: 'scales as attribute, linear',
      opset: 7,
      attributes: [
        ['mode', str('linear')],
        ['scales', floats([1, 1, 2, 2])],
      ],
      inputs: [input],
    },
  ],
};

export const operators = [resize, upsample];
