import type { GradContext, OperatorDef } from './contract.ts';
import type { Value } from '../ir/value.ts';
import { binaryExamples, broadcastPrune, broadcastRule, cFloat, withGrad, x } from './support/elementwise.ts';

function gradBase(dY: Value, { b, node, constant }: GradContext): Value {
  const base = node.input(0)!,
    exponent = node.input(1)!;
  const p = constant(exponent);
  const scaled = b.mul(dY, exponent);
  if (p?.length === 1 && p[0] === 2) return b.mul(scaled, base);
  if (p?.length === 1 && p[0] === 3) return b.mul(b.mul(scaled, base), base);
  return b.mul(scaled, b.op('Pow', [base, b.sub(exponent, b.scalar(1))]));
}

export const operator: OperatorDef = {
  opType: 'Pow',
  traits: { elementwise: 'arithmetic' },
  shape: broadcastRule,
  prune: broadcastPrune,
  grad: withGrad((dY, ctx) => [
    ctx.needs(0) ? gradBase(dY, ctx) : null,
    // y log(x): defined for positive bases only.
    ctx.needs(1) ? ctx.b.mul(ctx.b.mul(dY, ctx.node.output()), ctx.b.log(ctx.node.input(0)!)) : null,
  ]),
  examples: [
    ...binaryExamples([0.5, 2], [0.5, 2]),
    { name: 'square', inputs: [x([2, 3, 4]), cFloat([2])] },
    { name: 'cube', inputs: [x([2, 3, 4]), cFloat([3], [1])] },
    { name: 'square root', inputs: [x([2, 3, 4], [0.2, 2]), cFloat([0.5])] },
    { name: 'opset 7', opset: 7, inputs: [x([2, 3, 4]), cFloat([2])] },
  ],
};
