import { elementCount } from '../ir/dtype.ts';
import { int } from '../ir/attribute.ts';
import type { Value } from '../ir/value.ts';
import type { GradContext, OperatorDef, PruneContext } from './contract.ts';
import { matmulTransB } from './support/conv-grad.ts';
import { broadcastShape } from './support/elementwise.ts';

/** A [...,M,K] times B [...,K,N]; a one-axis operand loses its M or N in the output, as in numpy. */
function relate(ctx: PruneContext): void {
  const [a, b] = [ctx.node.input(0)!, ctx.node.input(1)!];
  const y = ctx.node.output();
  const [sa, sb, rank] = [ctx.shape(a), ctx.shape(b), ctx.shape(y).length];
  const aK = { value: a, axis: sa.length - 1 };
  const bK = { value: b, axis: Math.max(0, sb.length - 2) };
  if (a.isInitializer && !b.isInitializer) ctx.sink(bK, aK);
  else ctx.sink(aK, bK);
  const vectorB = sb.length === 1;
  if (sa.length > 1) ctx.same({ value: a, axis: sa.length - 2 }, { value: y, axis: rank - (vectorB ? 1 : 2) });
  if (!vectorB) ctx.same({ value: b, axis: sb.length - 1 }, { value: y, axis: rank - 1 });
  const batchEnd = rank - (vectorB ? 0 : 1) - (sa.length > 1 ? 1 : 0);
  for (const [v, s] of [[a, sa] as const, [b, sb] as const])
    for (let i = 0; i < s.length - 2; i++)
      if (s[i]! > 1) ctx.same({ value: v, axis: i }, { value: y, axis: batchEnd - (s.length - 2) + i });
}

function grad(ctx: GradContext): (Value | null)[] {
  const { b } = ctx;
  const [x, w] = [ctx.node.input(0)!, ctx.node.input(1)!];
  const [sx, sw] = [ctx.shape(x), ctx.shape(w)];
  const ys = ctx.shape(ctx.node.output());
  // One-axis operands as matrices: a row on the left, a column on the right.
  const batch = ys.slice(0, ys.length - (sx.length > 1 ? 1 : 0) - (sw.length > 1 ? 1 : 0));
  const [rows, cols, inner] = [sx.length > 1 ? sx.at(-2)! : 1, sw.length > 1 ? sw.at(-1)! : 1, sx.at(-1)!];
  const wide = [...batch, rows, cols];
  const dY = wide.length === ys.length ? ctx.dY()! : b.reshape(ctx.dY()!, wide);
  const left = sx.length > 1 ? x : b.reshape(x, [1, inner]);
  const right = sw.length > 1 ? w : b.reshape(w, [inner, 1]);
  const squeeze = (g: Value, small: readonly number[], full: readonly number[]): Value =>
    small.length > 1 ? g : b.reshape(full.length > 2 ? b.reduceSum(g, range(full.length - 2), false) : g, small);
  let dX: Value | null = null;
  let dW: Value | null = null;
  if (ctx.needs(0)) dX = squeeze(matmulTransB(b, dY, right), sx, [...batch, rows, inner]);
  if (ctx.needs(1)) {
    // With a matrix shared by the whole batch, one product over batch and rows avoids the sum over the batch.
    const shared = sw.length <= 2 && sx.length > 2;
    const length = elementCount(batch) * rows;
    dW = shared
      ? b.op('Gemm', [b.reshape(left, [length, inner]), b.reshape(dY, [length, cols])], { transA: int(1) })
      : b.op('FusedMatMul', [left, dY], { transA: int(1) }, 'com.microsoft');
    dW = shared ? (sw.length === 1 ? b.reshape(dW, sw) : dW) : squeeze(dW, sw, [...batch, inner, cols]);
  }
  return [dX, dW];
}
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

export const operator: OperatorDef = {
  opType: 'MatMul',
  traits: {
    linear: {
      channelAxis: -1,
      bias: null,
      slides: false,
      matrix: (_node, dims) =>
        dims.length === 2
          ? { rows: dims[1]!, columns: dims[0]!, groups: 1, rowMajor: false }
          : 'its weights are no matrix',
      outputs: (_node, dims) => (dims.length === 2 ? { channels: dims[1]!, at: (e) => e % dims[1]! } : null),
    },
    trainable: [0, 1],
    startsKernel: true,
  },
  shape: (ctx) => {
    const [a, b] = [ctx.in(0)!, ctx.in(1)!];
    return [
      [
        ...broadcastShape(a.slice(0, -2), b.slice(0, -2)),
        ...(a.length > 1 ? [a.at(-2)!] : []),
        ...(b.length > 1 ? [b.at(-1)!] : []),
      ],
    ];
  },
  macs: (ctx) => elementCount(ctx.out(0)) * ctx.in(0)!.at(-1)!,
  prune: { relate },
  grad,
  examples: [
    {
      name: 'two matrices',
      inputs: [
        { kind: 'x', shape: [3, 4] },
        { kind: 'w', shape: [4, 5] },
      ],
    },
    {
      name: 'batched activation, constant right',
      inputs: [
        { kind: 'x', shape: [2, 3, 4] },
        { kind: 'w', shape: [4, 5] },
      ],
    },
    {
      name: 'constant left',
      inputs: [
        { kind: 'w', shape: [5, 3] },
        { kind: 'x', shape: [2, 3, 4] },
      ],
    },
    {
      name: 'both batched, broadcast',
      inputs: [
        { kind: 'x', shape: [2, 1, 3, 4] },
        { kind: 'x', shape: [3, 4, 2] },
      ],
    },
    {
      name: 'vector right',
      inputs: [
        { kind: 'x', shape: [2, 3, 4] },
        { kind: 'w', shape: [4] },
      ],
    },
    {
      name: 'vector left',
      inputs: [
        { kind: 'w', shape: [3] },
        { kind: 'x', shape: [2, 3, 4] },
      ],
    },
  ],
};
