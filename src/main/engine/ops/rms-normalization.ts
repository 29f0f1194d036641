/**
 * Normalization by the root mean square (Zhang and Sennrich 2019), and RMS and layer normalization fused with the
 * preceding sum.
 */
import { attrFloat, attrInt, float, int } from '../ir/attribute.ts';
import { elementCount } from '../ir/dtype.ts';
import type { Value } from '../ir/value.ts';
import { unsupported, type ExpandContext, type GradContext, type OperatorDef, type PruneContext } from './contract.ts';
import { w, x } from './support/elementwise.ts';

const axisOf = (ctx: Pick<PruneContext, 'node'>, rank: number): number => {
  const axis = attrInt(ctx.node.attributes.get('axis'), -1);
  return axis < 0 ? axis + rank : axis;
};

/** As in LayerNormalization: over the last axis alone, the statistics may be those of the remaining units. */
function relate(ctx: PruneContext): void {
  const [value, scale, y] = [ctx.node.input(0)!, ctx.node.input(1)!, ctx.node.output()];
  const rank = ctx.shape(value).length;
  const axis = axisOf(ctx, rank);
  if (axis !== rank - 1 || ctx.node.outputs.slice(1).some((v) => v.name && v.isUsed)) return;
  for (let i = 0; i < rank; i++) ctx.same({ value, axis: i }, { value: y, axis: i });
  ctx.same({ value: scale, axis: 0 }, { value: y, axis });
  ctx.reduce({ value, axis }, 'normalize');
}

/** With r = 1 / rms: dx = r (g - xhat mean(g xhat)), g = scale dY. */
function grad(ctx: GradContext): (Value | null)[] {
  const dY = ctx.dY();
  if (!dY) return [null, null];
  const { b, node } = ctx;
  const shape = ctx.shape(node.input(0)!);
  const tail = shape.slice(axisOf(ctx, shape.length));
  const rows = [elementCount(shape) / elementCount(tail), elementCount(tail)];
  const flat = b.reshape(node.input(0)!, rows);
  const epsilon = b.scalar(attrFloat(node.attributes.get('epsilon'), 1e-5));
  const inv = b.op('Reciprocal', [b.sqrt(b.add(b.reduceMean(b.mul(flat, flat), [1], true), epsilon))]);
  const xhat = b.mul(flat, inv);
  const g = b.reshape(b.mul(dY, node.input(1)!), rows);
  const dX = b.mul(b.sub(g, b.mul(xhat, b.reduceMean(b.mul(g, xhat), [1], true))), inv);
  return [ctx.needs(0) ? b.reshape(dX, shape) : null, ctx.needs(1) ? b.mul(dY, b.reshape(xhat, shape)) : null];
}

const plain = (opType: string, opset: number): OperatorDef => ({
  opType,
  traits: {
    trainable: [1],
    scaleInput: 1,
    normalization: { centred: false, residual: null, shift: null, bias: null, sum: null, epsilon: 1e-5 },
  },
  shape: (ctx) => [ctx.in(0)],
  prune: { relate },
  grad,
  examples: [
    { name: 'last axis', opset, inputs: [x([2, 3, 6]), w([6])] },
    { name: 'large epsilon', opset, attributes: [['epsilon', float(0.1)]], inputs: [x([4, 5]), w([5])] },
  ],
});

/** input, skip, gamma, (beta,) bias; the sum of the first two and the bias is output 3. */
function relateSkip(ctx: PruneContext): void {
  const [value, skip] = [ctx.node.input(0)!, ctx.node.input(1)!];
  const y = ctx.node.output();
  const rank = ctx.shape(value).length;
  if (ctx.node.outputs.slice(1, 3).some((v) => v?.name && v.isUsed)) return;
  const sum = ctx.node.outputs[3];
  for (let axis = 0; axis < rank; axis++) {
    ctx.same({ value, axis }, { value: y, axis });
    if (ctx.shape(skip).length === rank) ctx.same({ value: skip, axis }, { value: y, axis });
    if (sum?.name) ctx.same({ value: sum, axis }, { value: y, axis });
  }
  for (const p of ctx.node.inputs.slice(2)) if (p) ctx.same({ value: p, axis: 0 }, { value: y, axis: rank - 1 });
  ctx.reduce({ value, axis: rank - 1 }, 'normalize');
}

/** The sum, and then the normalization by itself. */
function expandSkip({ node, b }: ExpandContext, centred: boolean): (Value | null)[] {
  const [value, skip, scale, ...rest] = node.inputs;
  const [shift, bias] = centred ? rest : [null, rest[0]];
  const both = b.add(value!, skip!);
  const sum = bias ? b.add(both, bias) : both;
  const attributes = { axis: int(-1), epsilon: float(attrFloat(node.attributes.get('epsilon'), 1e-12)) };
  const parameters = [scale!, ...(centred ? [shift ?? b.sub(scale!, scale!)] : [])];
  const opType = centred ? 'LayerNormalization' : 'SimplifiedLayerNormalization';
  return [b.op(opType, [sum, ...parameters], attributes), null, null, sum];
}

const skipping = (opType: string, parameters: number, centred: boolean): OperatorDef => ({
  opType,
  domain: 'com.microsoft',
  traits: {
    scaleInput: 2,
    normalization: {
      centred,
      residual: 1,
      shift: centred ? 3 : null,
      bias: centred ? 4 : 3,
      sum: 3,
      epsilon: 1e-12,
    },
  },
  shape: (ctx) => ctx.node.outputs.map((_, i) => (i === 0 || i === 3 ? ctx.in(0) : null)),
  prune: { relate: relateSkip },
  grad: unsupported('made by the runtime, not by exporters of models to train'),
  expand: (ctx) => expandSkip(ctx, centred),
  examples: [
    {
      name: 'last axis',
      attributes: [['epsilon', float(1e-5)]],
      inputs: [x([2, 3, 6]), x([2, 3, 6]), ...Array.from({ length: parameters }, () => w([6]))],
    },
  ],
});

export const operators: readonly OperatorDef[] = [
  plain('RMSNormalization', 23),
  plain('SimplifiedLayerNormalization', 17),
  skipping('SkipLayerNormalization', 3, true),
  skipping('SkipSimplifiedLayerNormalization', 1, false),
];
