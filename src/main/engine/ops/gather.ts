import { attrInt, int } from '../ir/attribute.ts';
import { i64 } from '../ir/tensor.ts';
import { elementCount } from '../ir/dtype.ts';
import type { Value } from '../ir/value.ts';
import type { GradContext, OperatorDef } from './contract.ts';
import { normalizeAxis } from './support/axes.ts';
import { scatterAxis, scatterRows } from './support/scatter.ts';

/** Gradient for indices that are computed or fed at run time, such as the ids of an embedding table. */
function gradientByRun({ b, node, shape }: GradContext, dY: Value, axis: number): Value {
  const [data, at] = [shape(node.input(0)!), shape(node.input(1)!)];
  const [rows, m] = [data[axis]!, elementCount(at)];
  const [before, behind] = [elementCount(data.slice(0, axis)), elementCount(data.slice(axis + 1))];
  const width = before * behind;
  const first = (v: Value, from: number): Value =>
    before === 1 ? v : b.transpose(b.reshape(v, [before, from, behind]), [1, 0, 2]);
  const taken = b.reshape(first(dY, m), [m, width]);
  const summed = scatterRows(b, taken, node.input(1)!, { m, rows, width });
  const back = before === 1 ? summed : b.transpose(b.reshape(summed, [rows, before, behind]), [1, 0, 2]);
  return b.reshape(back, data);
}

/** data [..., n, ...], indices of any shape S: the axis is replaced by S. */
export const operator: OperatorDef = {
  opType: 'Gather',
  traits: { movement: 'part' },
  shape: (ctx) => {
    const [data, at] = [ctx.in(0)!, ctx.in(1)!];
    const axis = normalizeAxis(attrInt(ctx.node.attributes.get('axis'), 0), data.length);
    return [[...data.slice(0, axis), ...at, ...data.slice(axis + 1)]];
  },
  prune: {
    relate(ctx) {
      const [data, at, y] = [ctx.node.input(0)!, ctx.node.input(1)!, ctx.node.output()];
      const [rank, inner] = [ctx.shape(data).length, ctx.shape(at).length];
      const axis = normalizeAxis(attrInt(ctx.node.attributes.get('axis'), 0), rank);
      const n = ctx.shape(data)[axis]!;
      for (let i = 0; i < rank; i++)
        if (i !== axis) ctx.same({ value: data, axis: i }, { value: y, axis: i < axis ? i : i + inner - 1 });
      // Indices that follow the sizes of the inputs are not a fixed selection of units.
      const indices = ctx.facts.get(at)?.varies ? null : ctx.constant(at);
      if (indices && inner === 1) {
        ctx.map({ value: y, axis }, { value: data, axis }, (i) => normalizeAxis(indices[i]!, n));
        ctx.free({ value: at, axis: 0 });
      } else if (indices && inner === 0) {
        const index = normalizeAxis(indices[0]!, n);
        ctx.pin({ value: data, axis }, index, `${ctx.node.opType} reads index ${index} alone`);
      } else
        for (let i = 0; i < inner; i++) if (!indices) ctx.same({ value: at, axis: i }, { value: y, axis: axis + i });
    },
    rewrite(ctx) {
      const [data, y] = [ctx.node.input(0)!, ctx.node.output()];
      const shape = ctx.shapeBefore(data);
      const axis = normalizeAxis(attrInt(ctx.node.attributes.get('axis'), 0), shape.length);
      const indices = ctx.constant(ctx.node.input(1));
      const [from, to] = [ctx.kept(data, axis), ctx.kept(y, axis)];
      const rank = ctx.shapeBefore(ctx.node.input(1)!).length;
      if (!indices || (!from && !to) || rank > 1) return;
      if (rank === 0) {
        if (from) ctx.setTensor(1, i64([from.indexOf(normalizeAxis(indices[0]!, shape[axis]!))], []));
        return;
      }
      const wanted = (to ?? indices.map((_, i) => i)).map((i) => normalizeAxis(indices[i]!, shape[axis]!));
      ctx.setInts(1, from ? wanted.map((i) => from.indexOf(i)) : wanted);
    },
  },
  grad: (ctx) => {
    const dY = ctx.dY();
    if (!dY || !ctx.needs(0)) return [null, null];
    const shape = ctx.shape(ctx.node.input(0)!);
    const axis = normalizeAxis(attrInt(ctx.node.attributes.get('axis'), 0), shape.length);
    const indices = ctx.constant(ctx.node.input(1));
    if (!indices) return [gradientByRun(ctx, dY, axis), null];
    const flat = indices.map((i) => normalizeAxis(i, shape[axis]!));
    const g = ctx.b.reshape(dY, [...shape.slice(0, axis), flat.length, ...shape.slice(axis + 1)]);
    return [scatterAxis(ctx.b, g, axis, flat.length, shape[axis]!, flat), null];
  },
  examples: [
    {
      name: 'permuted channels',
      attributes: [['axis', int(1)]],
      inputs: [
        { kind: 'x', shape: [2, 4, 3] },
        { kind: 'c', tensor: i64([2, 0, -1, 1]) },
      ],
    },
    {
      name: 'repeated and left out',
      attributes: [['axis', int(1)]],
      inputs: [
        { kind: 'x', shape: [2, 4] },
        { kind: 'c', tensor: i64([3, 1, 3]) },
      ],
    },
    {
      name: 'one index',
      inputs: [
        { kind: 'x', shape: [3, 4] },
        { kind: 'c', tensor: i64([1], []) },
      ],
    },
    {
      name: 'embedding table',
      inputs: [
        { kind: 'w', shape: [5, 4] },
        { kind: 'c', tensor: i64([0, 3, 3, 1], [2, 2]) },
      ],
    },
  ],
};
