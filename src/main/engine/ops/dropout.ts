import { float } from '../ir/attribute.ts';
import { scalarF32 } from '../ir/tensor.ts';
import type { OperatorDef } from './contract.ts';
import { sameAxes } from './support/axes.ts';

/** Inference only: the data passes unchanged and the optional mask is all true. */
export const operator: OperatorDef = {
  opType: 'Dropout',
  shape: (ctx) => ctx.node.outputs.map(() => ctx.in(0)),
  prune: {
    relate(ctx) {
      for (const y of ctx.node.outputs) if (y.name) sameAxes(ctx, ctx.node.input(0)!, y);
    },
  },
  grad: (ctx) => [ctx.dY(), ...ctx.node.inputs.slice(1).map(() => null)],
  examples: [
    {
      name: 'ratio as input',
      inputs: [
        { kind: 'x', shape: [2, 3] },
        { kind: 'c', tensor: scalarF32(0.4) },
      ],
    },
    {
      name: 'ratio as attribute',
      opset: 10,
      attributes: [['ratio', float(0.3)]],
      inputs: [{ kind: 'x', shape: [2, 3] }],
    },
  ],
};
