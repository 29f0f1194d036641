import type { OperatorDef } from './contract.ts';
import { broadcastPrune, broadcastRule, equal, keepWhere, withGrad, w, x } from './support/elementwise.ts';

/** Any number of operands; the gradient goes to every operand that equals the output. */
const extremum = (opType: 'Min' | 'Max'): OperatorDef => ({
  opType,
  traits: { elementwise: 'arithmetic' },
  shape: broadcastRule,
  prune: broadcastPrune,
  grad: withGrad((dY, { b, node, needs }) =>
    node.inputs.map((v, i) => (v && needs(i) ? keepWhere(b, equal(b, v, node.output()), dY) : null)),
  ),
  examples: [
    { name: 'two tensors', inputs: [x([2, 3, 4]), x([2, 3, 4])] },
    { name: 'broadcast constant', inputs: [x([2, 3, 4, 2]), w([3, 1, 1])] },
    { name: 'three operands', inputs: [x([2, 4]), w([4]), w([])] },
    { name: 'one operand', inputs: [x([2, 4])] },
    { name: 'opset 11', opset: 11, inputs: [x([2, 4, 3]), x([4, 1])] },
  ],
});

export const operators: readonly OperatorDef[] = [extremum('Min'), extremum('Max')];
