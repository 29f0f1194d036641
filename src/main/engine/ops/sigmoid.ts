import { unary, withTraits, withGrad } from './support/elementwise.ts';
import { always } from './traits.ts';

export const operator = withTraits(
  { yields: 'sigmoid', nonNegative: always },
  unary(
    'Sigmoid',
    withGrad((dY, { b, node }) => {
      const y = node.output();
      return [b.mul(dY, b.sub(y, b.mul(y, y)))];
    }),
  ),
);
