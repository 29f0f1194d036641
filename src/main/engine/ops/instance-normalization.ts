import { attrFloat, float } from '../ir/attribute.ts';
import { elementCount } from '../ir/dtype.ts';
import type { Value } from '../ir/value.ts';
import type { GradContext, OperatorDef, PruneContext } from './contract.ts';
import { channelDot, channelSum } from './support/conv-grad.ts';
import { sameShapeRule } from './support/elementwise.ts';
import { normalize, normInputGradient } from './support/norm-grad.ts';

/** x [N,C,...], scale and bias [C]. Each channel of each sample is normalised separately over its positions. */
function relate(ctx: PruneContext): void {
  const [x, y] = [ctx.node.input(0)!, ctx.node.output()];
  ctx.same({ value: x, axis: 0 }, { value: y, axis: 0 });
  ctx.same({ value: x, axis: 1 }, { value: y, axis: 1 });
  for (const p of ctx.node.inputs.slice(1)) if (p) ctx.same({ value: p, axis: 0 }, { value: y, axis: 1 });
  for (let axis = 2; axis < ctx.shape(x).length; axis++) {
    ctx.freeze({ value: x, axis }, 'InstanceNormalization averages over this axis');
    ctx.freeze({ value: y, axis }, 'InstanceNormalization averages over this axis');
  }
}

function grad(ctx: GradContext): (Value | null)[] {
  const { b, node } = ctx;
  const shape = ctx.shape(node.input(0)!);
  const [n, c] = [shape[0]!, shape[1]!];
  const rows = [n, c, elementCount(shape) / (n * c)];
  const norm = normalize(b, node.input(0)!, rows, attrFloat(node.attributes.get('epsilon'), 1e-5));
  const dY = b.reshape(ctx.dY()!, rows);
  const scaled = b.mul(dY, b.reshape(node.input(1)!, [c, 1]));
  return [
    ctx.needs(0) ? b.reshape(normInputGradient(b, norm, scaled, rows), shape) : null,
    ctx.needs(1) ? channelDot(b, dY, norm.xhat, rows) : null,
    ctx.needs(2) ? channelSum(b, dY, rows) : null,
  ];
}

export const operator: OperatorDef = {
  opType: 'InstanceNormalization',
  traits: { trainable: [1, 2], scaleInput: 1 },
  shape: sameShapeRule,
  prune: { relate },
  grad,
  examples: [
    {
      name: '2-D',
      inputs: [
        { kind: 'x', shape: [2, 3, 3, 4] },
        { kind: 'w', shape: [3] },
        { kind: 'w', shape: [3] },
      ],
    },
    {
      name: '1-D, large epsilon',
      attributes: [['epsilon', float(0.1)]],
      inputs: [
        { kind: 'x', shape: [2, 3, 6] },
        { kind: 'w', shape: [3] },
        { kind: 'w', shape: [3] },
      ],
    },
  ],
};
