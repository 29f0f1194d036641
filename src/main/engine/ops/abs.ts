import { unary, withGrad } from './support/elementwise.ts';

export const operator = unary(
  'Abs',
  withGrad((dY, { b, node }) => [b.mul(dY, b.op('Sign', [node.input(0)!]))]),
);
