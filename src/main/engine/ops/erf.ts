import { unary, withGrad } from './support/elementwise.ts';

export const operator = unary(
  'Erf',
  withGrad((dY, { b, node }) => {
    const v = node.input(0)!;
    return [b.mul(dY, b.mul(b.exp(b.neg(b.mul(v, v))), b.scalar(2 / Math.sqrt(Math.PI))))];
  }),
);
