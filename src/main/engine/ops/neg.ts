import { unary, withGrad } from './support/elementwise.ts';

export const operator = unary(
  'Neg',
  withGrad((dY, { b }) => [b.neg(dY)]),
);
