import { unary, unaryExamples, withGrad } from './support/elementwise.ts';

export const operator = unary(
  'Reciprocal',
  withGrad((dY, { b, node }) => [b.neg(b.mul(dY, b.mul(node.output(), node.output())))]),
  unaryExamples([0.4, 2]),
);
