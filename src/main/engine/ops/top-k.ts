import { attrInt, int } from '../ir/attribute.ts';
import { unsupported, type OperatorDef } from './contract.ts';
import { normalizeAxis } from './support/axes.ts';
import { cInts, x } from './support/elementwise.ts';

/** The largest entries along an axis and their indices: that axis is searched, the others pass through. */
export const operator: OperatorDef = {
  opType: 'TopK',
  traits: {
    sizeInputs: [1],
    selection: { chosen: (node) => [node.outputs[1]] },
    writesEveryOutput: true,
    changedIn: () => [10],
  },
  shape: (ctx) => {
    const s = ctx.in(0)!;
    const k = ctx.constant(1)?.[0];
    if (k === undefined) return [null, null];
    const axis = normalizeAxis(attrInt(ctx.node.attributes.get('axis'), -1), s.length);
    const out = s.map((n, i) => (i === axis ? k : n));
    return [out, out];
  },
  prune: {
    relate(ctx) {
      const value = ctx.node.input(0)!;
      const axis = normalizeAxis(attrInt(ctx.node.attributes.get('axis'), -1), ctx.shape(value).length);
      ctx.shape(value).forEach((_, i) => {
        if (i === axis) ctx.freeze({ value, axis: i }, 'TopK searches this axis');
        else for (const y of ctx.node.outputs) ctx.same({ value, axis: i }, { value: y, axis: i });
      });
    },
  },
  grad: unsupported('which entries it takes depends on data'),
  examples: [
    { name: 'last axis', inputs: [x([3, 5]), cInts([2])], outputs: 2 },
    { name: 'channels', attributes: [['axis', int(1)]], inputs: [x([2, 4, 3]), cInts([2])], outputs: 2 },
  ],
};
