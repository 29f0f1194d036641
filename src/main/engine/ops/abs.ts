import { unary, withTraits, withGrad } from './support/elementwise.ts';

export const operator = withTraits(
  { elementwise: 'arithmetic' },
  unary(
    'Abs',
    withGrad((dY, { b, node }) => [b.mul(dY, b.op('Sign', [node.input(0)!]))]),
  ),
);
