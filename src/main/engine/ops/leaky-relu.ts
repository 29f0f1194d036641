import { attrFloat, float } from '../ir/attribute.ts';
import { unary, unaryExamples, withGrad } from './support/elementwise.ts';

export const operator = unary(
  'LeakyRelu',
  withGrad((dY, { b, node }) => {
    const alpha = attrFloat(node.attributes.get('alpha'), 0.01);
    return [b.where(b.greater(node.input(0)!, b.scalar(0)), dY, b.mul(dY, b.scalar(alpha)))];
  }),
  [...unaryExamples(), ...unaryExamples(undefined, [['alpha', float(0.3)]])],
);
