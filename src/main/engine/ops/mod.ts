import { int } from '../ir/attribute.ts';
import { unsupported, type OperatorDef } from './contract.ts';
import { broadcastPrune, broadcastRule, cInts, w, x } from './support/elementwise.ts';

/** Remainders, which exported models use for index arithmetic. */
export const operator: OperatorDef = {
  opType: 'Mod',
  traits: { elementwise: 'arithmetic' },
  shape: broadcastRule,
  prune: broadcastPrune,
  grad: unsupported('remainders are taken of indices, not of activations'),
  examples: [
    { name: 'integers', inputs: [cInts([-5, 7, 8]), cInts([3])] },
    { name: 'fmod', attributes: [['fmod', int(1)]], inputs: [x([2, 3]), w([3], [0.5, 1])] },
  ],
};
