import type { OperatorDef } from './contract.ts';
import { broadcastPrune, sameShapeRule, w, withGrad, x } from './support/elementwise.ts';

/** The slope is broadcast to the input, never the other way. */
export const operator: OperatorDef = {
  opType: 'PRelu',
  traits: { elementwise: 'function', trainable: [1] },
  shape: sameShapeRule,
  prune: broadcastPrune,
  grad: withGrad((dY, { b, node, needs }) => {
    const v = node.input(0)!,
      slope = node.input(1)!;
    return [
      needs(0) ? b.where(b.greater(v, b.scalar(0)), dY, b.mul(dY, slope)) : null,
      needs(1) ? b.mul(dY, b.op('Min', [v, b.scalar(0)])) : null,
    ];
  }),
  examples: [
    { name: 'one slope per channel', inputs: [x([2, 3, 4, 4]), w([3, 1, 1])] },
    { name: 'one slope', inputs: [x([2, 3, 4]), w([1])] },
    { name: 'slope per element', inputs: [x([2, 4]), w([2, 4])] },
    { name: 'opset 9', opset: 9, inputs: [x([2, 3, 4]), w([3, 1])] },
  ],
};
