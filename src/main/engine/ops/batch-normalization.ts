import { float } from '../ir/attribute.ts';
import { unsupported, type OperatorDef, type PruneContext } from './contract.ts';

/** x [N,C,...]; scale, bias, mean and variance [C]. */
function relate(ctx: PruneContext): void {
  const x = ctx.node.input(0)!;
  const y = ctx.node.output();
  ctx.shape(y).forEach((_, axis) => ctx.same({ value: x, axis }, { value: y, axis }));
  for (const p of [...ctx.node.inputs.slice(1), ...ctx.node.outputs.slice(1)])
    if (p?.name && ctx.shape(p).length === 1) ctx.same({ value: p, axis: 0 }, { value: y, axis: 1 });
}

export const operator: OperatorDef = {
  opType: 'BatchNormalization',
  shape: (ctx) => ctx.node.outputs.map((_, i) => (i === 0 ? ctx.in(0)! : ctx.in(1)!)),
  prune: { relate },
  grad: unsupported('not yet written'),
  examples: [
    {
      name: 'inference',
      inputs: [
        { kind: 'x', shape: [2, 3, 2, 4] },
        { kind: 'w', shape: [3] },
        { kind: 'w', shape: [3] },
        { kind: 'w', shape: [3] },
        { kind: 'w', shape: [3], range: [0.5, 2] },
      ],
    },
    {
      name: 'two axes, large epsilon, opset 9',
      opset: 9,
      attributes: [['epsilon', float(0.1)]],
      inputs: [
        { kind: 'x', shape: [4, 3] },
        { kind: 'w', shape: [3] },
        { kind: 'w', shape: [3] },
        { kind: 'w', shape: [3] },
        { kind: 'w', shape: [3], range: [0.5, 2] },
      ],
    },
  ],
};
