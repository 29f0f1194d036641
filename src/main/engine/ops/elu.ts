import { attrFloat, float } from '../ir/attribute.ts';
import { unary, unaryExamples, withGrad } from './support/elementwise.ts';

/** y = alpha (e^x - 1) below zero, so the slope there is y + alpha. */
export const operator = unary(
  'Elu',
  withGrad((dY, { b, node }) => {
    const alpha = attrFloat(node.attributes.get('alpha'), 1);
    const below = b.mul(dY, b.add(node.output(), b.scalar(alpha)));
    return [b.where(b.greater(node.input(0)!, b.scalar(0)), dY, below)];
  }),
  [...unaryExamples(), ...unaryExamples(undefined, [['alpha', float(0.5)]])],
);
