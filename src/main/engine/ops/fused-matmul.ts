import { attrInt, int } from '../ir/attribute.ts';
import { elementCount } from '../ir/dtype.ts';
import { broadcastShape } from './support/elementwise.ts';
import { unsupported, type OperatorDef } from './contract.ts';

/** com.microsoft FusedMatMul as the gradient rules emit it: MatMul with either operand's last two axes swapped. */
export const operator: OperatorDef = {
  opType: 'FusedMatMul',
  domain: 'com.microsoft',
  shape: (ctx) => {
    const swap = (s: readonly number[], on: boolean): number[] =>
      on ? [...s.slice(0, -2), s.at(-1)!, s.at(-2)!] : [...s];
    const a = swap(ctx.in(0)!, attrInt(ctx.node.attributes.get('transA'), 0) !== 0);
    const b = swap(ctx.in(1)!, attrInt(ctx.node.attributes.get('transB'), 0) !== 0);
    return [[...broadcastShape(a.slice(0, -2), b.slice(0, -2)), a.at(-2)!, b.at(-1)!]];
  },
  macs: (ctx) =>
    elementCount(ctx.out(0)) * ctx.in(0)!.at(attrInt(ctx.node.attributes.get('transA'), 0) !== 0 ? -2 : -1)!,
  prune: unsupported('made by the runtime and by gradients, not by exporters'),
  grad: unsupported('made by the runtime and by gradients, not by exporters'),
  examples: [
    {
      name: 'transB',
      attributes: [['transB', int(1)]],
      inputs: [
        { kind: 'x', shape: [2, 3, 4] },
        { kind: 'x', shape: [2, 5, 4] },
      ],
    },
    {
      name: 'transA',
      attributes: [['transA', int(1)]],
      inputs: [
        { kind: 'x', shape: [2, 4, 3] },
        { kind: 'x', shape: [2, 4, 5] },
      ],
    },
  ],
};
