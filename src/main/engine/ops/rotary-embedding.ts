/**
 * Rotary position embedding (Su et al. 2021), com.microsoft and ai.onnx 23: pairs within each head are rotated, so
 * heads pass as a whole and their sizes stay.
 */
import { attrInt, int } from '../ir/attribute.ts';
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';
import {
  unsupported,
  type OperatorDef,
  type PruneContext,
  type RewriteContext,
  type ShapeContext,
} from './contract.ts';
import { cInts, x } from './support/elementwise.ts';
import { expandRotation, type RotationInputs } from './support/expand-rotation.ts';

/** The table of cosines, half as wide as the rotated part of a head. */
const cosines = (node: Node): Value => node.input(node.domain === '' ? 1 : 2)!;

/** Number of heads of a [B,S,heads*size] input, or 0 where unknown. */
function headsOf(ctx: PruneContext): number {
  const named = attrInt(ctx.node.attributes.get('num_heads'), 0);
  if (named) return named;
  // Without a rotary size, the whole head is rotated.
  const size = 2 * ctx.shape(cosines(ctx.node)).at(-1)!;
  const width = ctx.shape(ctx.node.output())[2]!;
  return width % size ? 0 : width / size;
}

function relate(ctx: PruneContext): void {
  const { node } = ctx;
  const [value, y] = [node.input(0)!, node.output()];
  const rank = ctx.shape(y).length;
  ctx.same({ value, axis: 0 }, { value: y, axis: 0 });
  // Tables and positions are per sample.
  ctx.freeze({ value: y, axis: 0 }, 'samples have positions of their own');
  if (rank === 4) {
    ctx.same({ value, axis: 1 }, { value: y, axis: 1 });
    for (const axis of [2, 3]) {
      ctx.same({ value, axis }, { value: y, axis });
      ctx.freeze({ value: y, axis }, axis === 2 ? 'positions stay' : 'pairs within a head are rotated');
    }
    return;
  }
  ctx.same({ value, axis: 1 }, { value: y, axis: 1 });
  ctx.freeze({ value: y, axis: 1 }, 'positions stay');
  const heads = headsOf(ctx);
  if (!heads) return ctx.freeze({ value: y, axis: 2 }, 'how many heads there are is not told');
  const size = ctx.shape(y)[2]! / heads;
  const anchor = { value: y, axis: 2 };
  const first = (i: number): number => Math.floor(i / size) * size;
  ctx.map(anchor, anchor, first);
  ctx.map({ value, axis: 2 }, anchor, first);
}

function rewrite(ctx: RewriteContext): void {
  const { node } = ctx;
  const [before, after] = [ctx.shapeBefore(node.output()).at(-1)!, ctx.shapeAfter(node.output()).at(-1)!];
  const heads = attrInt(node.attributes.get('num_heads'), 0);
  if (ctx.shapeBefore(node.output()).length === 3 && heads && before !== after)
    node.attributes.set('num_heads', int((heads * after) / before));
}

const inputsOf = (node: Node, [cos, sin, positions]: readonly [number, number, number]): RotationInputs => ({
  value: node.input(0)!,
  cos: node.input(cos)!,
  sin: node.input(sin)!,
  positions: node.input(positions),
});

const common = {
  opType: 'RotaryEmbedding',
  shape: (ctx: ShapeContext) => [ctx.in(0)],
  prune: { relate, rewrite },
  grad: unsupported('rotations are made by the exporter: their parts have gradients'),
} as const;

export const operators: readonly OperatorDef[] = [
  {
    ...common,
    domain: 'com.microsoft',
    expand: ({ node, ...ctx }) => [expandRotation(ctx, node, inputsOf(node, [2, 3, 1]))],
    examples: [
      { name: 'three heads', inputs: [x([2, 4, 24]), cInts([0]), x([6, 4]), x([6, 4])] },
      { name: 'four axes', inputs: [x([2, 3, 4, 8]), cInts([0]), x([6, 4]), x([6, 4])] },
      {
        name: 'part of a head',
        attributes: [
          ['num_heads', int(3)],
          ['rotary_embedding_dim', int(4)],
        ],
        inputs: [x([2, 4, 24]), cInts([0]), x([6, 2]), x([6, 2])],
      },
    ],
  },
  {
    ...common,
    expand: ({ node, ...ctx }) => [expandRotation(ctx, node, inputsOf(node, [1, 2, 3]))],
    examples: [
      {
        name: 'three axes',
        opset: 23,
        attributes: [['num_heads', int(3)]],
        inputs: [x([2, 4, 24]), x([2, 4, 4]), x([2, 4, 4])],
      },
      { name: 'four axes', opset: 23, inputs: [x([2, 3, 4, 8]), x([2, 4, 4]), x([2, 4, 4])] },
    ],
  },
];
