import { unary, unaryExamples, withGrad } from './support/elementwise.ts';

export const operator = unary(
  'Log',
  withGrad((dY, { b, node }) => [b.div(dY, node.input(0)!)]),
  unaryExamples([0.3, 2]),
);
