import { attrInt, int } from '../ir/attribute.ts';
import type { GradContext, OperatorDef, PruneContext } from './contract.ts';
import { relateAxes, sameShapeRule, unaryExamples, withGrad, x } from './support/elementwise.ts';
import { always } from './traits.ts';

/** Axes that are normalised together: one since opset 13, all from `axis` on in older versions. */
function normalised(node: PruneContext['node'], opset: number, rank: number): number[] {
  const axis = attrInt(node.attributes.get('axis'), opset >= 13 ? -1 : 1);
  const first = axis < 0 ? axis + rank : axis;
  return opset >= 13 ? [first] : Array.from({ length: rank - first }, (_, i) => first + i);
}

function relate(ctx: PruneContext): void {
  const v = ctx.node.input(0)!,
    y = ctx.node.output();
  const over = normalised(ctx.node, ctx.opset, ctx.shape(v).length);
  relateAxes(ctx, v, y, over);
  for (const axis of over) {
    if (ctx.shape(v)[axis]! <= 1) continue;
    const reason = `${ctx.node.opType} normalises over this axis`;
    if (over.length === 1 && ctx.node.opType === 'Softmax') {
      ctx.weigh({ value: v, axis }, { value: y, axis }, reason);
      continue;
    }
    ctx.freeze({ value: v, axis }, reason);
    ctx.freeze({ value: y, axis }, reason);
  }
}

const axesOf = (ctx: GradContext): number[] => normalised(ctx.node, ctx.opset, ctx.shape(ctx.node.input(0)!).length);

const examples = [
  ...unaryExamples([-2, 2]),
  { name: 'middle axis', attributes: [['axis', int(1)]] as const, inputs: [x([2, 3, 4], [-2, 2])] },
  { name: 'opset 11, coerced to 2-D', opset: 11, inputs: [x([2, 3, 4], [-2, 2])] },
  { name: 'opset 11, last axis', opset: 11, attributes: [['axis', int(-1)]] as const, inputs: [x([2, 3, 4], [-2, 2])] },
  { name: 'opset 9, from axis 2', opset: 9, attributes: [['axis', int(2)]] as const, inputs: [x([2, 3, 2, 2])] },
];

export const operators: readonly OperatorDef[] = [
  {
    opType: 'Softmax',
    traits: { yields: 'softmax', landmark: true, nonNegative: always, changedIn: () => [13] },
    shape: sameShapeRule,
    prune: { relate },
    // y (dY - sum(dY y))
    grad: withGrad((dY, ctx) => {
      const y = ctx.node.output(),
        { b } = ctx;
      const weighted = b.mul(dY, y);
      return [b.sub(weighted, b.mul(y, b.reduceSum(weighted, axesOf(ctx), true)))];
    }),
    examples,
  },
  {
    opType: 'LogSoftmax',
    traits: { yields: 'softmax', landmark: true, changedIn: () => [13] },
    shape: sameShapeRule,
    prune: { relate },
    // dY - softmax sum(dY)
    grad: withGrad((dY, ctx) => {
      const { b } = ctx;
      return [b.sub(dY, b.mul(b.exp(ctx.node.output()), b.reduceSum(dY, axesOf(ctx), true)))];
    }),
    examples,
  },
];
