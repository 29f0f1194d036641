import { attrFloat, float } from '../ir/attribute.ts';
import { unary, withTraits, unaryExamples, withGrad } from './support/elementwise.ts';
import { always } from './traits.ts';

export const operator = withTraits(
  { yields: 'sigmoid', nonNegative: always },
  unary(
    'HardSigmoid',
    withGrad((dY, { b, node }) => {
      const y = node.output();
      const inside = b.op('And', [b.greater(y, b.scalar(0)), b.less(y, b.scalar(1))]);
      const alpha = attrFloat(node.attributes.get('alpha'), Math.fround(0.2));
      return [b.mul(dY, b.where(inside, b.scalar(alpha), b.scalar(0)))];
    }),
    [
      ...unaryExamples([-4, 4]),
      ...unaryExamples(
        [-4, 4],
        [
          ['alpha', float(1 / 6)],
          ['beta', float(0.4)],
        ],
      ),
    ],
  ),
);
