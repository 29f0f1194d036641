import { unary, withGrad } from './support/elementwise.ts';

export const operator = unary(
  'Sigmoid',
  withGrad((dY, { b, node }) => {
    const y = node.output();
    return [b.mul(dY, b.sub(y, b.mul(y, y)))];
  }),
);
