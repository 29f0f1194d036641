import { unary, withGrad, withTraits } from './support/elementwise.ts';

export const operator = withTraits(
  { yields: 'tanh' },
  unary(
    'Tanh',
    withGrad((dY, { b, node }) => {
      const y = node.output();
      return [b.sub(dY, b.mul(dY, b.mul(y, y)))];
    }),
  ),
);
