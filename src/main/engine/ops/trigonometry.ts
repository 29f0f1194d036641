/** Periodic and other smooth functions of one tensor, as used in position encodings and activations. */
import type { GraphBuilder } from '../autodiff/builder.ts';
import type { Value } from '../ir/value.ts';
import type { OperatorDef } from './contract.ts';
import { unary, withGrad } from './support/elementwise.ts';

const onePlusSquare = (b: GraphBuilder, v: Value): Value => b.add(b.mul(v, v), b.scalar(1));

export const operators: readonly OperatorDef[] = [
  unary(
    'Sin',
    withGrad((dY, { b, node }) => [b.mul(dY, b.op('Cos', [node.input(0)!]))]),
  ),
  unary(
    'Cos',
    withGrad((dY, { b, node }) => [b.neg(b.mul(dY, b.op('Sin', [node.input(0)!])))]),
  ),
  unary(
    'Atan',
    withGrad((dY, { b, node }) => [b.div(dY, onePlusSquare(b, node.input(0)!))]),
  ),
  unary(
    'Asinh',
    withGrad((dY, { b, node }) => [b.div(dY, b.op('Sqrt', [onePlusSquare(b, node.input(0)!)]))]),
  ),
  unary(
    'Sinh',
    withGrad((dY, { b, node }) => [b.mul(dY, b.op('Cosh', [node.input(0)!]))]),
  ),
  unary(
    'Cosh',
    withGrad((dY, { b, node }) => [b.mul(dY, b.op('Sinh', [node.input(0)!]))]),
  ),
];
