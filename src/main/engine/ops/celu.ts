import { attrFloat, float } from '../ir/attribute.ts';
import { unary, unaryExamples, withGrad } from './support/elementwise.ts';

/** y = alpha (e^(x / alpha) - 1) below zero, so the slope there is y / alpha + 1. */
export const operator = unary(
  'Celu',
  withGrad((dY, { b, node }) => {
    const alpha = attrFloat(node.attributes.get('alpha'), 1);
    const slope = b.add(b.mul(node.output(), b.scalar(1 / alpha)), b.scalar(1));
    return [b.where(b.greater(node.input(0)!, b.scalar(0)), dY, b.mul(dY, slope))];
  }),
  [...unaryExamples(), ...unaryExamples(undefined, [['alpha', float(0.5)]])],
);
