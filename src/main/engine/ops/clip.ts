import { float } from '../ir/attribute.ts';
import type { OperatorDef } from './contract.ts';
import { cFloat, equal, keepWhere, relateAxes, sameShapeRule, withGrad, x } from './support/elementwise.ts';

/** Bounds are attributes before opset 11 and scalar inputs since. */
export const operator: OperatorDef = {
  opType: 'Clip',
  traits: { elementwise: 'function', idempotent: true, changedIn: () => [11] },
  shape: sameShapeRule,
  prune: { relate: (ctx) => relateAxes(ctx, ctx.node.input(0)!, ctx.node.output()) },
  // The gradient passes where the value is unchanged, for any bounds. Bounds themselves are not trained.
  grad: withGrad((dY, { b, node }) => [
    keepWhere(b, equal(b, node.input(0)!, node.output()), dY),
    ...node.inputs.slice(1).map(() => null),
  ]),
  examples: [
    { name: 'both bounds', inputs: [x([2, 3, 4, 4], [-3, 3]), cFloat([-1]), cFloat([1.5])] },
    { name: 'lower bound', inputs: [x([2, 3, 4]), cFloat([0])] },
    { name: 'upper bound', inputs: [x([2, 7]), null, cFloat([0.25])] },
    { name: 'no bound', inputs: [x([4])] },
    {
      name: 'attributes',
      opset: 10,
      attributes: [
        ['min', float(0)],
        ['max', float(0.5)],
      ],
      inputs: [x([2, 3, 4])],
    },
    { name: 'opset 11', opset: 11, inputs: [x([2, 3, 4]), cFloat([-0.5]), cFloat([0.5])] },
  ],
};
