import { attrString, str } from '../ir/attribute.ts';
import type { Value } from '../ir/value.ts';
import type { GradContext, OperatorDef } from './contract.ts';
import { unary, unaryExamples, withGrad } from './support/elementwise.ts';

/** Phi(x) + x phi(x), with the normal distribution's Phi from Erf. */
function slopeErf(v: Value, { b }: GradContext): Value {
  const phi = b.mul(b.exp(b.mul(b.mul(v, v), b.scalar(-0.5))), b.scalar(1 / Math.sqrt(2 * Math.PI)));
  const cdf = b.add(b.mul(b.op('Erf', [b.mul(v, b.scalar(Math.SQRT1_2))]), b.scalar(0.5)), b.scalar(0.5));
  return b.add(cdf, b.mul(v, phi));
}

/** y = x (1 + t) / 2 with t = tanh(k (x + c x^3)): slope (1 + t)/2 + x/2 (1 - t^2) k (1 + 3 c x^2). */
function slopeTanh(v: Value, { b }: GradContext): Value {
  const k = Math.sqrt(2 / Math.PI),
    c = 0.044715;
  const v2 = b.mul(v, v);
  const t = b.op('Tanh', [b.mul(v, b.add(b.mul(v2, b.scalar(k * c)), b.scalar(k)))]);
  const inner = b.mul(v, b.add(b.mul(v2, b.scalar(1.5 * k * c)), b.scalar(0.5 * k)));
  const rest = b.mul(b.sub(b.scalar(1), b.mul(t, t)), inner);
  return b.add(b.add(b.mul(t, b.scalar(0.5)), b.scalar(0.5)), rest);
}

const gelu = (domain: string, opset: number): OperatorDef =>
  unary(
    'Gelu',
    withGrad((dY, ctx) => {
      const v = ctx.node.input(0)!;
      const tanh = attrString(ctx.node.attributes.get('approximate'), 'none') === 'tanh';
      return [ctx.b.mul(dY, tanh ? slopeTanh(v, ctx) : slopeErf(v, ctx))];
    }),
    [
      ...unaryExamples([-3, 3], undefined, opset),
      ...(domain ? [] : unaryExamples([-3, 3], [['approximate', str('tanh')]], opset)),
    ],
    domain,
  );

/** The standard operator, and the variant that exporters and the runtime's own optimizer write. */
export const operators: readonly OperatorDef[] = [gelu('', 20), gelu('com.microsoft', 17)];
