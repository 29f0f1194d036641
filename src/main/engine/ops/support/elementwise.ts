/** Shapes, axis maps and example inputs shared by element-wise operators. */
import type { Attribute } from '../../ir/attribute.ts';
import { f32, i64, MemoryTensor, type Tensor } from '../../ir/tensor.ts';
import { DType } from '../../ir/dtype.ts';
import type { Value } from '../../ir/value.ts';
import type { GraphBuilder } from '../../autodiff/builder.ts';
import type {
  Example,
  ExampleInput,
  GradContext,
  GradRule,
  OperatorDef,
  PruneContext,
  PruneRule,
  ShapeContext,
  ShapeRule,
  Traits,
} from '../contract.ts';

/** numpy broadcasting: shapes are aligned at the right, and extent 1 stretches. */
export function broadcastShape(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  const out = new Array<number>(rank).fill(1);
  for (const s of shapes)
    s.forEach((extent, i) => {
      if (extent !== 1) out[rank - s.length + i] = extent;
    });
  return out;
}

/** Shapes of the inputs that are present. */
function givenShapes(ctx: ShapeContext): (readonly number[])[] {
  const shapes: (readonly number[])[] = [];
  for (let i = 0; i < ctx.node.inputs.length; i++) {
    const s = ctx.in(i);
    if (s) shapes.push(s);
  }
  return shapes;
}

export const broadcastRule: ShapeRule = (ctx) => [broadcastShape(...givenShapes(ctx))];
export const sameShapeRule: ShapeRule = (ctx) => [ctx.in(0)];

/** Joins every axis of every input with the aligned axis of the output. An axis of extent 1 joins nothing. */
function relateBroadcast(ctx: PruneContext, inputs: readonly (Value | null)[] = ctx.node.inputs): void {
  const y = ctx.node.output(),
    out = ctx.shape(y);
  for (const value of inputs) {
    if (!value) continue;
    const shape = ctx.shape(value),
      shift = out.length - shape.length;
    shape.forEach((extent, axis) => {
      if (extent > 1 && extent === out[axis + shift]) ctx.same({ value, axis }, { value: y, axis: axis + shift });
    });
  }
}
export const broadcastPrune: PruneRule = { relate: (ctx) => relateBroadcast(ctx) };

/** Joins all axes of `a` and `b` except those listed. */
export function relateAxes(ctx: PruneContext, a: Value, b: Value, except: readonly number[] = []): void {
  ctx.shape(a).forEach((extent, axis) => {
    if (extent > 1 && !except.includes(axis)) ctx.same({ value: a, axis }, { value: b, axis });
  });
}

/** A rule for operators whose output is piecewise constant: no gradient flows. */
export const zeroGrad: GradRule = (ctx) => ctx.node.inputs.map(() => null);

/** Wraps a rule: passes dY, and skips the rule when nothing depends on output 0. */
export const withGrad =
  (rule: (dY: Value, ctx: GradContext) => (Value | null)[]): GradRule =>
  (ctx) => {
    const dY = ctx.dY();
    return dY ? rule(dY, ctx) : ctx.node.inputs.map(() => null);
  };

/** a == b for floats, also before opset 11, where Equal accepts only integers. */
export const equal = (b: GraphBuilder, l: Value, r: Value): Value =>
  b.opset >= 11 ? b.op('Equal', [l, r]) : b.op('Not', [b.op('Or', [b.less(l, r), b.greater(l, r)])]);

/** v where the condition holds, else 0. Uses a product, because Where needs opset 9; the cost is the same. */
export const keepWhere = (b: GraphBuilder, cond: Value, v: Value): Value => b.mul(v, b.maskFloat(cond));

// ---------------------------------------------------------------- examples

export const x = (shape: readonly number[], range?: readonly [number, number]): ExampleInput =>
  range ? { kind: 'x', shape, range } : { kind: 'x', shape };
export const w = (shape: readonly number[], range?: readonly [number, number]): ExampleInput =>
  range ? { kind: 'w', shape, range } : { kind: 'w', shape };
export const c = (tensor: Tensor): ExampleInput => ({ kind: 'c', tensor });
export const cFloat = (data: readonly number[], dims: readonly number[] = []): ExampleInput => c(f32(data, dims));
export const cInts = (data: readonly number[], dims: readonly number[] = [data.length]): ExampleInput =>
  c(i64(data, dims));
export const cBool = (data: readonly number[], dims: readonly number[]): ExampleInput =>
  c(new MemoryTensor(DType.BOOL, dims, Uint8Array.from(data)));

/** Examples of a two-operand broadcasting operator. `range` bounds the right operand. */
export function binaryExamples(range?: readonly [number, number], left?: readonly [number, number]): Example[] {
  const a = (shape: readonly number[]): ExampleInput => x(shape, left);
  return [
    { name: 'equal shapes', inputs: [a([2, 3, 4, 4]), x([2, 3, 4, 4], range)] },
    { name: 'per-channel constant', inputs: [a([2, 3, 4, 4]), w([3, 1, 1], range)] },
    { name: 'constant of the last axis', inputs: [a([2, 5, 3]), w([3], range)] },
    { name: 'scalar constant', inputs: [a([2, 5]), w([], range)] },
    { name: 'gate of one value per channel', inputs: [a([2, 3, 4, 2]), x([2, 3, 1, 1], range)] },
    { name: 'left operand is broadcast', inputs: [a([3, 1]), x([2, 3, 4], range)] },
    { name: 'both are broadcast', inputs: [a([2, 1, 4]), x([3, 1], range)] },
    { name: 'opset 13', opset: 13, inputs: [a([2, 4, 3]), x([2, 4, 1], range)] },
    { name: 'opset 7', opset: 7, inputs: [a([2, 4]), w([4], range)] },
  ];
}

/** Examples of an operator of one tensor: 1-D to 4-D. */
export function unaryExamples(
  range?: readonly [number, number],
  attributes?: readonly (readonly [string, Attribute])[],
  opset?: number,
): Example[] {
  const extra = { ...(attributes && { attributes }), ...(opset !== undefined && { opset }) };
  return [
    { name: '4-D', inputs: [x([2, 3, 4, 4], range)], ...extra },
    { name: '3-D', inputs: [x([2, 5, 3], range)], ...extra },
    { name: '2-D', inputs: [x([3, 7], range)], ...extra },
    { name: '1-D', inputs: [x([5], range)], ...extra },
  ];
}

/** An operator that maps each element separately: same shape, every axis passes through. */
export function unary(
  opType: string,
  grad: OperatorDef['grad'],
  examples: readonly Example[] = unaryExamples(),
  domain = '',
): OperatorDef {
  return {
    opType,
    ...(domain && { domain }),
    traits: { elementwise: 'function' },
    shape: sameShapeRule,
    prune: { relate: (ctx) => relateAxes(ctx, ctx.node.input(0)!, ctx.node.output()) },
    grad,
    examples,
  };
}

/** The operator with added or overridden traits. */
export const withTraits = (traits: Traits, operator: OperatorDef): OperatorDef => ({
  ...operator,
  traits: { ...operator.traits, ...traits },
});
