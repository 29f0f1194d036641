import { unary, unaryExamples, withGrad } from './support/elementwise.ts';

export const operator = unary(
  'Sqrt',
  withGrad((dY, { b, node }) => [b.div(b.mul(dY, b.scalar(0.5)), node.output())]),
  unaryExamples([0.3, 2]),
);
