import { attrInt, attrInts, int, ints } from '../ir/attribute.ts';
import type { Node } from '../ir/node.ts';
import { f32, i64 } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import type { OperatorDef } from './contract.ts';
import { normalizeAxis, sameAxes } from './support/axes.ts';

const axisOf = (node: Node, rank: number): number => normalizeAxis(attrInt(node.attributes.get('axis'), 0), rank);

/** Sizes of the parts: given, or equal with a smaller last one. */
function sizesOf(
  node: Node,
  extent: number,
  constant: (v: Value | null) => readonly number[] | null,
): readonly number[] | null {
  const given = attrInts(node.attributes.get('split'));
  if (given) return given;
  if (node.input(1)) return constant(node.input(1));
  const parts = attrInt(node.attributes.get('num_outputs'), node.outputs.length);
  const size = Math.ceil(extent / parts);
  return Array.from({ length: parts }, (_, i) => Math.min(size, extent - i * size));
}

export const operator: OperatorDef = {
  opType: 'Split',
  traits: { movement: 'part', sizeInputs: [1], writesEveryOutput: true, changedIn: () => [13] },
  shape: (ctx) => {
    const x = ctx.in(0)!;
    const axis = axisOf(ctx.node, x.length);
    const sizes = sizesOf(ctx.node, x[axis]!, () => ctx.constant(1));
    return ctx.node.outputs.map((_, k) => (sizes ? x.map((n, i) => (i === axis ? sizes[k]! : n)) : null));
  },
  prune: {
    relate(ctx) {
      const x = ctx.node.input(0)!;
      const axis = axisOf(ctx.node, ctx.shape(x).length);
      const sizes = sizesOf(ctx.node, ctx.shape(x)[axis]!, (v) => ctx.constant(v));
      let at = 0;
      ctx.node.outputs.forEach((y, k) => {
        const begin = at;
        at += sizes?.[k] ?? 0;
        if (!y.name) return;
        sameAxes(ctx, x, y, [axis]);
        if (sizes) ctx.map({ value: y, axis }, { value: x, axis }, (i) => i + begin);
      });
    },
    rewrite(ctx) {
      const x = ctx.node.input(0)!;
      const before = ctx.shapeBefore(x);
      const axis = axisOf(ctx.node, before.length);
      const kept = ctx.kept(x, axis);
      if (!kept) return;
      let at = 0;
      const sizes = sizesOf(ctx.node, before[axis]!, (v) => ctx.constant(v))!.map((n) => {
        const [begin, end] = [at, (at += n)];
        return kept.filter((i) => i >= begin && i < end).length;
      });
      ctx.node.attributes.delete('num_outputs');
      if (ctx.opset >= 13) ctx.setInts(1, sizes);
      else ctx.node.attributes.set('split', ints(sizes));
    },
  },
  grad: (ctx) => {
    const x = ctx.shape(ctx.node.input(0)!);
    const axis = axisOf(ctx.node, x.length);
    const parts = ctx.node.outputs.map((y, i) => {
      const dY = ctx.dY(i);
      if (dY) return dY;
      const shape = ctx.shape(y);
      return ctx.b.expand(
        ctx.b.tensor(
          f32(
            [0],
            shape.map(() => 1),
          ),
        ),
        shape,
      );
    });
    return [ctx.b.concat(parts, axis), ...ctx.node.inputs.slice(1).map(() => null)];
  },
  examples: [
    {
      name: 'sizes as input',
      attributes: [['axis', int(1)]],
      outputs: 2,
      inputs: [
        { kind: 'x', shape: [2, 5, 2] },
        { kind: 'c', tensor: i64([2, 3]) },
      ],
    },
    {
      name: 'sizes as attribute',
      opset: 11,
      attributes: [
        ['axis', int(-1)],
        ['split', ints([1, 3])],
      ],
      outputs: 2,
      inputs: [{ kind: 'x', shape: [2, 4] }],
    },
    { name: 'equal parts', attributes: [['axis', int(1)]], outputs: 2, inputs: [{ kind: 'x', shape: [2, 6] }] },
    {
      name: 'uneven parts, opset 18',
      opset: 18,
      attributes: [
        ['axis', int(1)],
        ['num_outputs', int(3)],
      ],
      outputs: 3,
      inputs: [{ kind: 'x', shape: [2, 7] }],
    },
  ],
};
