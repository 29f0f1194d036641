/** Waves and other smooth functions of one tensor that position codes and activations are made of. */
import type { OperatorDef } from './contract.ts';
import { unary, withGrad } from './support/elementwise.ts';

export const operators: readonly OperatorDef[] = [
  unary(
    'Sin',
    withGrad((dY, { b, node }) => [b.mul(dY, b.op('Cos', [node.input(0)!]))]),
  ),
  unary(
    'Cos',
    withGrad((dY, { b, node }) => [b.neg(b.mul(dY, b.op('Sin', [node.input(0)!])))]),
  ),
];
