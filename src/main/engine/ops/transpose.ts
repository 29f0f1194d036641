import { attrInts, ints } from '../ir/attribute.ts';
import type { Node } from '../ir/node.ts';
import type { OperatorDef } from './contract.ts';
import { likeFirst } from './traits.ts';

/** Output axis i is input axis perm[i]; the axes are reversed by default. */
const permutation = (node: Node, rank: number): number[] =>
  attrInts(node.attributes.get('perm')) ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);

export const operator: OperatorDef = {
  opType: 'Transpose',
  traits: { movement: 'permuted', nonNegative: likeFirst },
  shape: (ctx) => [permutation(ctx.node, ctx.in(0)!.length).map((p) => ctx.in(0)![p]!)],
  prune: {
    relate(ctx) {
      const [value, y] = [ctx.node.input(0)!, ctx.node.output()];
      permutation(ctx.node, ctx.shape(value).length).forEach((p, axis) =>
        ctx.same({ value, axis: p }, { value: y, axis }),
      );
    },
  },
  grad: (ctx) => {
    const dY = ctx.dY();
    if (!dY) return [null];
    const perm = permutation(ctx.node, ctx.shape(ctx.node.input(0)!).length);
    return [
      ctx.b.transpose(
        dY,
        perm.map((_, i) => perm.indexOf(i)),
      ),
    ];
  },
  examples: [
    { name: 'reversed', inputs: [{ kind: 'x', shape: [2, 3, 4] }] },
    { name: 'channels last', attributes: [['perm', ints([0, 2, 3, 1])]], inputs: [{ kind: 'x', shape: [2, 3, 4, 5] }] },
  ],
};
