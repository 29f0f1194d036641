import { unary, withGrad } from './support/elementwise.ts';

export const operator = unary(
  'Softplus',
  withGrad((dY, { b, node }) => [b.mul(dY, b.op('Sigmoid', [node.input(0)!]))]),
);
