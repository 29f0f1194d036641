import { attrFloat, attrInt, int } from '../ir/attribute.ts';
import { elementCount } from '../ir/dtype.ts';
import type { Value } from '../ir/value.ts';
import type { GradContext, OperatorDef, PruneContext } from './contract.ts';
import { normalize, normInputGradient } from './support/norm-grad.ts';

const axisOf = (ctx: { node: GradContext['node'] }, rank: number): number => {
  const axis = attrInt(ctx.node.attributes.get('axis'), -1);
  return axis < 0 ? axis + rank : axis;
};

/**
 * Normalises over `axis` and all later ones. Over the last one alone, statistics may be those of the remaining units.
 * Over several axes, or where the statistics are outputs in use, nothing may be removed there.
 */
function relate(ctx: PruneContext): void {
  const [x, y] = [ctx.node.input(0)!, ctx.node.output()];
  const rank = ctx.shape(x).length;
  const axis = axisOf(ctx, rank);
  const given = ctx.node.outputs.slice(1).some((v) => v.name && (v.isUsed || v.isGraphOutput));
  const free = axis === rank - 1 && !given;
  const parameters = ctx.node.inputs.slice(1).filter((p) => p !== null);
  for (let i = 0; i < rank; i++)
    if (i < axis || free) ctx.same({ value: x, axis: i }, { value: y, axis: i });
    else for (const value of [x, y]) ctx.freeze({ value, axis: i }, 'LayerNormalization averages over this axis');
  if (free) ctx.reduce({ value: x, axis }, 'normalize');
  for (const value of parameters)
    ctx.shape(value).forEach((_, i) => {
      if (free) ctx.same({ value, axis: i }, { value: y, axis });
      else ctx.freeze({ value, axis: i }, 'LayerNormalization averages over this axis');
    });
  // Statistics that are not read.
  for (const value of ctx.node.outputs.slice(1))
    if (value.name && !given) ctx.shape(value).forEach((_, i) => ctx.free({ value, axis: i }));
}

function grad(ctx: GradContext): (Value | null)[] {
  const { b, node } = ctx;
  const shape = ctx.shape(node.input(0)!);
  const tail = shape.slice(axisOf(ctx, shape.length));
  const width = elementCount(tail);
  const rows = [elementCount(shape) / width, width];
  const norm = normalize(b, node.input(0)!, rows, attrFloat(node.attributes.get('epsilon'), 1e-5));
  const dY = ctx.dY()!;
  const scaled = b.reshape(b.mul(dY, node.input(1)!), rows);
  return [
    ctx.needs(0) ? b.reshape(normInputGradient(b, norm, scaled, rows), shape) : null,
    // In the output's shape: the walker sums it down to the parameters' shape.
    ctx.needs(1) ? b.mul(dY, b.reshape(norm.xhat, shape)) : null,
    ctx.needs(2) ? dY : null,
  ];
}

export const operator: OperatorDef = {
  opType: 'LayerNormalization',
  traits: {
    trainable: [1, 2],
    scaleInput: 1,
    normalization: { centred: true, residual: null, shift: 2, bias: null, sum: null, epsilon: 1e-5 },
  },
  shape: (ctx) => {
    const x = ctx.in(0)!;
    const reduced = x.map((s, i) => (i < axisOf(ctx, x.length) ? s : 1));
    return ctx.node.outputs.map((_, i) => (i === 0 ? x : reduced));
  },
  prune: { relate },
  grad,
  examples: [
    {
      name: 'last axis',
      inputs: [
        { kind: 'x', shape: [2, 3, 6] },
        { kind: 'w', shape: [6] },
        { kind: 'w', shape: [6] },
      ],
    },
    {
      name: 'two axes, no bias',
      attributes: [['axis', int(1)]],
      inputs: [
        { kind: 'x', shape: [2, 3, 4] },
        { kind: 'w', shape: [3, 4] },
      ],
    },
  ],
};
