import { keepWhere, unary, withTraits, withGrad } from './support/elementwise.ts';
import { always } from './traits.ts';

/** The gradient depends on the output alone, so the runtime may still fuse the activation into the node before it. */
export const operator = withTraits(
  { idempotent: true, nonNegative: always },
  unary(
    'Relu',
    withGrad((dY, { b, node }) => [keepWhere(b, b.greater(node.output(), b.scalar(0)), dY)]),
  ),
);
