import { int, ints } from '../ir/attribute.ts';
import { elementCount } from '../ir/dtype.ts';
import type { Value } from '../ir/value.ts';
import type { Example, GradContext, OperatorDef, PruneContext, ReductionKind, Traits } from './contract.ts';
import { cInts, equal, withGrad, x } from './support/elementwise.ts';
import { reducedShape, reduction } from './support/reduce.ts';

const VERB: Record<string, string> = {
  ReduceMax: 'takes the maximum',
  ReduceMin: 'takes the minimum',
  ReduceProd: 'multiplies',
};

/**
 * Reductions where an absent unit equals zero, or a smaller divisor. In the others, a masked unit would still count.
 */
const ABSENT: Record<string, ReductionKind> = {
  ReduceMean: 'mean',
  ReduceSum: 'sum',
  ReduceSumSquare: 'sum',
  ReduceL1: 'sum',
  ReduceL2: 'sum',
};

const TRAITS: Record<string, Traits> = { ReduceSum: { changedIn: () => [13] }, ReduceMean: { yields: 'pooled' } };

/**
 * Axes that are not reduced pass through. Reduced ones may lose units where the result is then that of the remaining
 * units.
 */
function relate(ctx: PruneContext): void {
  const value = ctx.node.input(0)!,
    y = ctx.node.output(),
    shape = ctx.shape(value);
  const r = reduction(ctx.node, shape.length, ctx.constant(ctx.node.input(1)));
  let kept = 0;
  shape.forEach((extent, axis) => {
    const target = r?.keepdims ? axis : kept;
    if (r && !r.axes.includes(axis)) {
      ctx.same({ value, axis }, { value: y, axis: target });
      kept++;
    } else if (r && ABSENT[ctx.node.opType]) {
      ctx.reduce({ value, axis }, ABSENT[ctx.node.opType]!);
    } else if (extent > 1) {
      const what = r ? `${VERB[ctx.node.opType] ?? 'reduces'} over this axis` : 'takes its axes from data';
      ctx.freeze({ value, axis }, `${ctx.node.opType} ${what}`);
    }
  });
  const axes = ctx.node.input(1);
  if (axes && ctx.shape(axes).length && ctx.shape(axes)[0]! > 1)
    ctx.freeze({ value: axes, axis: 0 }, `${ctx.node.opType} reads its axes here`);
}

/** Slope of the reduction at every element, given dY and y with the reduced axes kept; null: one everywhere. */
type Slope = (ctx: GradContext, dY: Value, v: Value, y: Value, axes: readonly number[]) => Value;

/** The target of an Expand that broadcasts only the reduced axes: other sizes may differ between runs. */
const stretch = (shape: readonly number[], axes: readonly number[]): number[] =>
  shape.map((extent, i) => (axes.includes(i) ? extent : 1));

/** Ties share the gradient. */
const extremum: Slope = ({ b }, dY, v, y, axes) => {
  const at = b.maskFloat(equal(b, v, y));
  return b.mul(at, b.div(dY, b.reduceSum(at, axes, true)));
};

const SLOPES: Record<string, Slope> = {
  ReduceSum: ({ b, shape }, dY, v, _y, axes) => b.expand(dY, stretch(shape(v), axes)),
  ReduceMean: ({ b, shape }, dY, v, _y, axes) =>
    b.expand(b.mul(dY, b.scalar(1 / elementCount(axes.map((a) => shape(v)[a]!)))), stretch(shape(v), axes)),
  ReduceMax: extremum,
  ReduceMin: extremum,
  ReduceProd: ({ b }, dY, v, y) => b.div(b.mul(dY, y), v),
  ReduceL1: ({ b }, dY, v) => b.mul(b.op('Sign', [v]), dY),
  ReduceL2: ({ b }, dY, v, y) => b.mul(v, b.div(dY, y)),
  ReduceSumSquare: ({ b }, dY, v) => b.mul(v, b.mul(dY, b.scalar(2))),
  ReduceLogSum: ({ b, shape }, dY, v, y, axes) => b.expand(b.div(dY, b.exp(y)), stretch(shape(v), axes)),
  ReduceLogSumExp: ({ b }, dY, v, y) => b.mul(b.exp(b.sub(v, y)), dY),
};

function examples(opType: string): Example[] {
  const since = opType === 'ReduceSum' ? 13 : 18;
  // Away from zero, where logarithms, products and signs are smooth.
  const range = [0.4, 2] as const;
  return [
    { name: 'axes, kept', opset: since, inputs: [x([2, 3, 4, 2], range), cInts([2, 3])] },
    {
      name: 'negative axis, dropped',
      opset: since,
      attributes: [['keepdims', int(0)]],
      inputs: [x([2, 3, 4], range), cInts([-1])],
    },
    { name: 'channels', opset: since, attributes: [['keepdims', int(0)]], inputs: [x([2, 3, 4], range), cInts([1])] },
    { name: 'all axes', opset: since, inputs: [x([3, 4], range)] },
    {
      name: 'axes attribute',
      opset: 11,
      attributes: [
        ['axes', ints([2, 3])],
        ['keepdims', int(0)],
      ],
      inputs: [x([2, 3, 4, 2], range)],
    },
    { name: 'all axes, opset 11', opset: 11, attributes: [['keepdims', int(0)]], inputs: [x([3, 4], range)] },
    ...(opType === 'ReduceSum' || opType === 'ReduceMean'
      ? [
          {
            name: 'no axes, nothing reduced',
            opset: since,
            attributes: [['noop_with_empty_axes', int(1)]] as const,
            inputs: [x([3, 4], range)],
          },
        ]
      : []),
  ];
}

export const operators: readonly OperatorDef[] = Object.entries(SLOPES).map(([opType, slope]) => ({
  opType,
  traits: TRAITS[opType] ?? {},
  shape: (ctx) => {
    const s = ctx.in(0)!,
      r = reduction(ctx.node, s.length, ctx.constant(1));
    return [r && reducedShape(s, r)];
  },
  prune: { relate },
  grad: withGrad((dY, ctx) => {
    const v = ctx.node.input(0)!,
      y = ctx.node.output(),
      shape = ctx.shape(v);
    const r = reduction(ctx.node, shape.length, ctx.constant(ctx.node.input(1)))!;
    const rest = ctx.node.inputs.slice(1).map(() => null);
    if (r.axes.length === 0) return [dY, ...rest];
    const like = (t: Value): Value => (r.keepdims ? t : ctx.b.unsqueeze(t, r.axes));
    return [slope(ctx, like(dY), v, like(y), r.axes), ...rest];
  }),
  examples: examples(opType),
}));
