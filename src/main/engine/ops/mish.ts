import { unary, unaryExamples, withGrad } from './support/elementwise.ts';

/** y = x t with t = tanh(softplus(x)): slope t + x sigmoid(x) (1 - t^2). */
export const operator = unary(
  'Mish',
  withGrad((dY, { b, node }) => {
    const v = node.input(0)!;
    const t = b.op('Tanh', [b.op('Softplus', [v])]);
    const rest = b.mul(b.mul(v, b.op('Sigmoid', [v])), b.sub(b.scalar(1), b.mul(t, t)));
    return [b.mul(dY, b.add(t, rest))];
  }),
  unaryExamples([-3, 3], undefined, 18),
);
