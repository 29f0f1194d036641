import { attrFloat, attrInt, float, int } from '../ir/attribute.ts';
import { elementCount } from '../ir/dtype.ts';
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';
import type { GradContext, OperatorDef, PruneContext } from './contract.ts';

const transposed = (node: Node): { a: boolean; b: boolean } => ({
  a: attrInt(node.attributes.get('transA'), 0) !== 0,
  b: attrInt(node.attributes.get('transB'), 0) !== 0,
});

/** alpha A' B' + beta C, with A' [M,K] and B' [K,N] after their transposes, and C broadcast to [M,N]. */
function relate(ctx: PruneContext): void {
  const [a, b, c] = [ctx.node.input(0)!, ctx.node.input(1)!, ctx.node.input(2)];
  const y = ctx.node.output();
  const t = transposed(ctx.node);
  const aK = { value: a, axis: t.a ? 0 : 1 };
  const bK = { value: b, axis: t.b ? 1 : 0 };
  if (a.isInitializer && !b.isInitializer) ctx.sink(bK, aK);
  else ctx.sink(aK, bK);
  ctx.same({ value: a, axis: t.a ? 1 : 0 }, { value: y, axis: 0 });
  ctx.same({ value: b, axis: t.b ? 0 : 1 }, { value: y, axis: 1 });
  if (!c) return;
  const rank = ctx.shape(c).length;
  for (let i = 0; i < rank; i++)
    if (ctx.shape(c)[i]! > 1) ctx.same({ value: c, axis: i }, { value: y, axis: i + 2 - rank });
}

function grad(ctx: GradContext): (Value | null)[] {
  const [a, b] = [ctx.node.input(0)!, ctx.node.input(1)!];
  const dY = ctx.dY()!;
  const t = transposed(ctx.node);
  const alpha = float(attrFloat(ctx.node.attributes.get('alpha'), 1));
  const beta = attrFloat(ctx.node.attributes.get('beta'), 1);
  const product = (x: Value, y: Value, transA: boolean, transB: boolean): Value =>
    ctx.b.op('Gemm', [x, y], { alpha, transA: int(transA ? 1 : 0), transB: int(transB ? 1 : 0) });
  return [
    !ctx.needs(0) ? null : t.a ? product(b, dY, t.b, true) : product(dY, b, false, !t.b),
    !ctx.needs(1) ? null : t.b ? product(dY, a, true, t.a) : product(a, dY, !t.a, false),
    !ctx.needs(2) ? null : beta === 1 ? dY : ctx.b.mul(dY, ctx.b.scalar(beta)),
  ];
}

export const operator: OperatorDef = {
  opType: 'Gemm',
  traits: {
    linear: {
      channelAxis: 1,
      bias: 2,
      slides: false,
      matrix: (node, dims) => {
        const scaled = ['alpha', 'beta'].some((name) => attrFloat(node.attributes.get(name), 1) !== 1);
        if (transposed(node).a || scaled) return 'it is a scaled Gemm';
        const rowMajor = transposed(node).b;
        const [rows, columns] = rowMajor ? dims : [dims[1], dims[0]];
        return { rows: rows!, columns: columns!, groups: 1, rowMajor };
      },
      outputs: (node, dims) => {
        if (dims.length !== 2) return null;
        const [rows, columns] = dims as [number, number];
        return transposed(node).b
          ? { channels: rows, at: (e) => Math.floor(e / columns) }
          : { channels: columns, at: (e) => e % columns };
      },
    },
    trainable: [0, 1, 2],
    startsKernel: true,
  },
  shape: (ctx) => {
    const t = transposed(ctx.node);
    return [[ctx.in(0)![t.a ? 1 : 0]!, ctx.in(1)![t.b ? 0 : 1]!]];
  },
  macs: (ctx) => elementCount(ctx.out(0)) * ctx.in(0)![transposed(ctx.node).a ? 0 : 1]!,
  prune: { relate },
  grad,
  examples: [
    {
      name: 'plain, biased',
      inputs: [
        { kind: 'x', shape: [3, 4] },
        { kind: 'w', shape: [4, 5] },
        { kind: 'w', shape: [5] },
      ],
    },
    {
      name: 'transB, no bias',
      attributes: [['transB', int(1)]],
      inputs: [
        { kind: 'x', shape: [3, 4] },
        { kind: 'w', shape: [5, 4] },
      ],
    },
    {
      name: 'transA and transB, alpha and beta',
      attributes: [
        ['transA', int(1)],
        ['transB', int(1)],
        ['alpha', float(0.5)],
        ['beta', float(2)],
      ],
      inputs: [
        { kind: 'x', shape: [4, 3] },
        { kind: 'w', shape: [5, 4] },
        { kind: 'w', shape: [3, 1] },
      ],
    },
    {
      name: 'transA, scalar bias, weight on the left',
      attributes: [['transA', int(1)]],
      inputs: [
        { kind: 'w', shape: [4, 3] },
        { kind: 'x', shape: [4, 5] },
        { kind: 'w', shape: [] },
      ],
    },
  ],
};
