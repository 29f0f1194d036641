/** Activations that are zero, or shifted, below a threshold. */
import { attrFloat, float } from '../ir/attribute.ts';
import type { OperatorDef } from './contract.ts';
import { keepWhere, unary, unaryExamples, withGrad } from './support/elementwise.ts';

export const operators: readonly OperatorDef[] = [
  unary(
    'ThresholdedRelu',
    withGrad((dY, { b, node }) => {
      const alpha = attrFloat(node.attributes.get('alpha'), 1);
      return [keepWhere(b, b.greater(node.input(0)!, b.scalar(alpha)), dY)];
    }),
    [...unaryExamples([1.2, 3]), ...unaryExamples([-3, 0.3], [['alpha', float(0.5)]])],
  ),
  unary(
    'Shrink',
    withGrad((dY, { b, node }) => {
      const limit = attrFloat(node.attributes.get('lambd'), 0.5);
      return [keepWhere(b, b.greater(b.op('Abs', [node.input(0)!]), b.scalar(limit)), dY)];
    }),
    [...unaryExamples([0.7, 3]), ...unaryExamples([-3, -0.2], [['lambd', float(0.1)], ['bias', float(0.1)]])], // prettier-ignore
  ),
];
