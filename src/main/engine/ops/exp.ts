import { unary, withGrad } from './support/elementwise.ts';

export const operator = unary(
  'Exp',
  withGrad((dY, { b, node }) => [b.mul(dY, node.output())]),
);
