import { elementCount } from '../ir/dtype.ts';
import { unsupported, type OperatorDef, type PruneContext } from './contract.ts';

function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1];
    return x === 1 ? y : x;
  });
}

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

export const operator: OperatorDef = {
  opType: 'MatMul',
  shape: (ctx) => {
    const [a, b] = [ctx.in(0)!, ctx.in(1)!];
    return [
      [
        ...broadcast(a.slice(0, -2), b.slice(0, -2)),
        ...(a.length > 1 ? [a.at(-2)!] : []),
        ...(b.length > 1 ? [b.at(-1)!] : []),
      ],
    ];
  },
  macs: (ctx) => elementCount(ctx.out(0)) * ctx.in(0)!.at(-1)!,
  prune: { relate },
  grad: unsupported('not yet written'),
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
