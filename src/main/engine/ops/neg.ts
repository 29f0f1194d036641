import { unary, withTraits, withGrad } from './support/elementwise.ts';

export const operator = withTraits(
  { elementwise: 'arithmetic' },
  unary(
    'Neg',
    withGrad((dY, { b }) => [b.neg(dY)]),
  ),
);
