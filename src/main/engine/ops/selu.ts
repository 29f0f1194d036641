import { attrFloat, float } from '../ir/attribute.ts';
import { unary, unaryExamples, withGrad } from './support/elementwise.ts';

/** y = gamma x above zero, gamma alpha (e^x - 1) below: the slope there is y + gamma alpha. */
export const operator = unary(
  'Selu',
  withGrad((dY, { b, node }) => {
    const alpha = attrFloat(node.attributes.get('alpha'), 1.67326319217681884765625);
    const gamma = attrFloat(node.attributes.get('gamma'), 1.05070102214813232421875);
    const below = b.add(node.output(), b.scalar(alpha * gamma));
    return [b.mul(dY, b.where(b.greater(node.input(0)!, b.scalar(0)), b.scalar(gamma), below))];
  }),
  [
    ...unaryExamples(),
    ...unaryExamples(undefined, [
      ['alpha', float(0.5)],
      ['gamma', float(2)],
    ]),
  ],
);
