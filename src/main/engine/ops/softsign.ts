import { unary, withGrad } from './support/elementwise.ts';

/** y = x / (1 + |x|): slope 1 / (1 + |x|)^2 = (1 - |y|)^2. */
export const operator = unary(
  'Softsign',
  withGrad((dY, { b, node }) => {
    const rest = b.sub(b.scalar(1), b.op('Abs', [node.output()]));
    return [b.mul(dY, b.mul(rest, rest))];
  }),
);
