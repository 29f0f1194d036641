import { attrFloat, attrInt, int } from '../ir/attribute.ts';
import { elementCount } from '../ir/dtype.ts';
import type { Value } from '../ir/value.ts';
import type { GradContext, OperatorDef, PruneContext, RewriteContext } from './contract.ts';
import { channelDot, channelSum } from './support/conv-grad.ts';
import { sameShapeRule } from './support/elementwise.ts';
import { normalize, normInputGradient } from './support/norm-grad.ts';

/**
 * x [N,C,...]. scale and bias are [groups] in operator set 18, [C] from 21 on. A group's statistics mix its channels,
 * so only whole groups can be removed without changing the remaining values.
 */
function relate(ctx: PruneContext): void {
  const [x, y] = [ctx.node.input(0)!, ctx.node.output()];
  const size = ctx.shape(x)[1]! / attrInt(ctx.node.attributes.get('num_groups'), 1);
  ctx.same({ value: x, axis: 0 }, { value: y, axis: 0 });
  ctx.same({ value: x, axis: 1 }, { value: y, axis: 1 });
  if (size > 1) ctx.map({ value: y, axis: 1 }, { value: x, axis: 1 }, (i) => i - (i % size));
  for (const p of ctx.node.inputs.slice(1)) {
    if (!p) continue;
    if (ctx.shape(p)[0] === ctx.shape(x)[1]) ctx.same({ value: p, axis: 0 }, { value: y, axis: 1 });
    else ctx.map({ value: y, axis: 1 }, { value: p, axis: 0 }, (i) => Math.floor(i / size));
  }
  for (let axis = 2; axis < ctx.shape(x).length; axis++) {
    ctx.freeze({ value: x, axis }, 'GroupNormalization averages over this axis');
    ctx.freeze({ value: y, axis }, 'GroupNormalization averages over this axis');
  }
}

function rewrite(ctx: RewriteContext): void {
  const x = ctx.node.input(0)!;
  const size = ctx.shapeBefore(x)[1]! / attrInt(ctx.node.attributes.get('num_groups'), 1);
  ctx.node.attributes.set('num_groups', int(ctx.shapeAfter(x)[1]! / size));
}

function grad(ctx: GradContext): (Value | null)[] {
  const { b, node } = ctx;
  const shape = ctx.shape(node.input(0)!);
  const [n, c] = [shape[0]!, shape[1]!];
  const groups = attrInt(node.attributes.get('num_groups'), 1);
  const places = elementCount(shape) / (n * c);
  const rows = [n, groups, (c / groups) * places];
  const width = ctx.shape(node.input(1)!)[0]!;
  const perParameter = [n, width, (n * c * places) / (n * width)];
  const norm = normalize(b, node.input(0)!, rows, attrFloat(node.attributes.get('epsilon'), 1e-5));
  const dY = b.reshape(ctx.dY()!, perParameter);
  const scaled = b.reshape(b.mul(dY, b.reshape(node.input(1)!, [width, 1])), rows);
  return [
    ctx.needs(0) ? b.reshape(normInputGradient(b, norm, scaled, rows), shape) : null,
    ctx.needs(1) ? channelDot(b, dY, b.reshape(norm.xhat, perParameter), perParameter) : null,
    ctx.needs(2) ? channelSum(b, dY, perParameter) : null,
  ];
}

export const operator: OperatorDef = {
  opType: 'GroupNormalization',
  traits: { trainable: [1, 2], scaleInput: 1 },
  shape: sameShapeRule,
  prune: { relate, rewrite },
  grad,
  examples: [
    {
      name: 'parameters per channel, opset 21',
      opset: 21,
      attributes: [['num_groups', int(2)]],
      inputs: [
        { kind: 'x', shape: [2, 4, 3, 2] },
        { kind: 'w', shape: [4] },
        { kind: 'w', shape: [4] },
      ],
    },
    {
      name: 'parameters per group, opset 18',
      opset: 18,
      attributes: [['num_groups', int(2)]],
      inputs: [
        { kind: 'x', shape: [2, 4, 3, 2] },
        { kind: 'w', shape: [2] },
        { kind: 'w', shape: [2] },
      ],
    },
  ],
};
