/**
 * Operators that write to, or read from, positions given by another tensor. Indexed axes stay; other axes pass through.
 */
import { attrInt, int } from '../ir/attribute.ts';
import { DType, elementCount } from '../ir/dtype.ts';
import { i64 } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { unsupported, type GradContext, type OperatorDef, type PruneContext, type Traits } from './contract.ts';
import { normalizeAxis } from './support/axes.ts';
import { cInts, w, x } from './support/elementwise.ts';
import { scatterElements } from './support/scatter.ts';

const places = unsupported('places come from data');

/** data, indices [..., k], updates: axes from k on are written as a whole. */
function relateScatterNd(ctx: PruneContext): void {
  const [data, at, updates] = [ctx.node.input(0)!, ctx.node.input(1)!, ctx.node.input(2)!];
  const y = ctx.node.output();
  const k = ctx.shape(at).at(-1)!;
  const lead = ctx.shape(at).length - 1;
  ctx.shape(data).forEach((_, axis) => {
    if (axis < k) return;
    ctx.same({ value: data, axis }, { value: y, axis });
    ctx.same({ value: updates, axis: lead + axis - k }, { value: y, axis });
  });
  // The number of updates is free, as long as both tensors have it.
  for (let axis = 0; axis < lead; axis++) ctx.same({ value: at, axis }, { value: updates, axis });
}

/**
 * data and indices have the same rank: along all axes except the indexed one, entry i of one corresponds to entry i of
 * the other.
 */
const relateElements =
  (from: readonly number[]) =>
  (ctx: PruneContext): void => {
    const data = ctx.node.input(0)!;
    const shape = ctx.shape(data);
    const y = ctx.node.output();
    const axis = normalizeAxis(attrInt(ctx.node.attributes.get('axis'), 0), shape.length);
    const others = [...from.map((i) => ctx.node.input(i)!), y];
    shape.forEach((n, i) => {
      const equal = others.every((v) => ctx.shape(v)[i] === n);
      if (i !== axis && equal) for (const v of others) ctx.same({ value: data, axis: i }, { value: v, axis: i });
    });
  };

/** Batch axes and those after the indexed ones pass through. */
function relateGatherNd(ctx: PruneContext): void {
  const [data, at, y] = [ctx.node.input(0)!, ctx.node.input(1)!, ctx.node.output()];
  const batch = attrInt(ctx.node.attributes.get('batch_dims'), 0);
  const rank = ctx.shape(at).length;
  const k = ctx.shape(at).at(-1)!;
  for (let axis = 0; axis < rank - 1; axis++) ctx.same({ value: at, axis }, { value: y, axis });
  ctx.shape(data).forEach((_, axis) => {
    if (axis < batch) ctx.same({ value: data, axis }, { value: y, axis });
    else if (axis >= batch + k) ctx.same({ value: data, axis }, { value: y, axis: rank - 1 + axis - batch - k });
  });
}

/** Rows selected per sample: data [B, N, D...] at indices [B, K, 1]. Other forms have no rule. */
function gradGatherNd(ctx: GradContext): (Value | null)[] {
  const dY = ctx.dY();
  if (!dY || !ctx.needs(0)) return [null, null];
  const [data, at] = [ctx.node.input(0)!, ctx.node.input(1)!];
  const [from, to] = [ctx.shape(data), ctx.shape(at)];
  const batch = attrInt(ctx.node.attributes.get('batch_dims'), 0);
  if (batch !== 1 || to.length !== 3 || to[2] !== 1)
    throw new Error('gradient of a GatherND that does not select rows per sample');
  const { b } = ctx;
  const [rows, width] = [from[1]!, elementCount(from.slice(2))];
  const flat = b.reshape(dY, [from[0]!, to[1]!, width]);
  if (b.opset >= 16) {
    const places = b.expand(at, [from[0]!, to[1]!, width]);
    return [b.reshape(scatterElements(b, flat, places, 1, [from[0]!, rows, width]), from), null];
  }
  // Older versions cannot add at equal positions; a product with a 0/1 matrix does.
  const each = b.tensor(
    i64(
      Array.from({ length: rows }, (_, i) => i),
      [1, 1, rows],
    ),
    'rows',
  );
  const taken = b.maskFloat(b.op('Equal', [at, each]));
  return [b.reshape(b.matmul(b.transpose(taken, [0, 2, 1]), flat), from), null];
}

/** Operators that select, count or produce positions: the mapping along their axes is lost. */
const whole = (opType: string, reason: string, traits: Traits, examples: OperatorDef['examples']): OperatorDef => ({
  opType,
  traits,
  shape: () => [null],
  prune: unsupported(reason),
  grad: unsupported(reason),
  examples,
});

const chosen: Traits = { selection: { counted: true, chosen: (node) => [node.output()] } };

const selections: readonly OperatorDef[] = [
  whole('NonZero', 'how many places it gives depends on data', { ...chosen, outputType: DType.INT64 }, [
    { name: 'matrix', inputs: [x([2, 3])] },
  ]),
  whole('Range', 'it makes positions', { sizeInputs: [1] }, [
    { name: 'counting', inputs: [cInts([0], []), cInts([4], []), cInts([1], [])] },
  ]),
  whole('NonMaxSuppression', 'which boxes it keeps depends on data', { ...chosen, outputType: DType.INT64 }, [
    { name: 'boxes and scores', inputs: [x([1, 4, 4], [0, 1]), x([1, 2, 4], [0, 1]), cInts([2])] },
  ]),
];

export const operators: readonly OperatorDef[] = [
  ...selections,
  {
    opType: 'ScatterND',
    shape: (ctx) => [ctx.in(0)],
    prune: { relate: relateScatterNd },
    grad: places,
    examples: [
      { name: 'rows', inputs: [x([4, 3, 2]), cInts([0, 2], [2, 1]), x([2, 3, 2])] },
      { name: 'elements', inputs: [x([4, 3]), cInts([0, 1, 2, 2], [2, 2]), x([2])] },
    ],
  },
  ...['ScatterElements', 'Scatter'].map((opType): OperatorDef => ({
    opType,
    ...(opType === 'Scatter' && { traits: { changedIn: () => [11] } }),
    shape: (ctx) => [ctx.in(0)],
    prune: { relate: relateElements([1, 2]) },
    grad: places,
    examples: [
      {
        name: 'along the last axis',
        ...(opType === 'Scatter' ? { opset: 10 } : {}),
        attributes: [['axis', int(-1)]],
        inputs: [x([2, 4]), cInts([1, 0, 3, 2], [2, 2]), x([2, 2])],
      },
    ],
  })),
  {
    opType: 'GatherElements',
    shape: (ctx) => [ctx.in(1)],
    prune: { relate: relateElements([1]) },
    grad: (ctx) => {
      const dY = ctx.dY();
      if (!dY || !ctx.needs(0)) return [null, null];
      const [data, at] = [ctx.node.input(0)!, ctx.node.input(1)!];
      const axis = normalizeAxis(attrInt(ctx.node.attributes.get('axis'), 0), ctx.shape(data).length);
      return [scatterElements(ctx.b, dY, at, axis, ctx.shape(data)), null];
    },
    examples: [
      { name: 'along the last axis', attributes: [['axis', int(1)]], inputs: [x([2, 4]), cInts([1, 0, 3, 2], [2, 2])] },
      { name: 'one place twice', inputs: [x([3, 4]), cInts([1, -1, 1, 2, 1, 0], [2, 3])] },
    ],
  },
  {
    opType: 'GatherND',
    shape: (ctx) => {
      const [data, at] = [ctx.in(0)!, ctx.in(1)!];
      const batch = attrInt(ctx.node.attributes.get('batch_dims'), 0);
      return [[...at.slice(0, -1), ...data.slice(batch + at.at(-1)!)]];
    },
    prune: { relate: relateGatherNd },
    grad: gradGatherNd,
    examples: [
      { name: 'rows', noGrad: 'no rule without a batch', inputs: [x([4, 3, 2]), cInts([0, 2], [2, 1])] },
      { name: 'constant table', noGrad: 'no rule without a batch', inputs: [w([4, 3]), cInts([3, 0], [2, 1])] },
      {
        name: 'rows per sample, one twice',
        attributes: [['batch_dims', int(1)]],
        inputs: [x([2, 4, 3]), cInts([0, 2, 2, 3, 1, 0], [2, 3, 1])],
      },
      {
        name: 'rows per sample, operator set 13',
        opset: 13,
        attributes: [['batch_dims', int(1)]],
        inputs: [x([2, 4, 3]), cInts([0, 2, 2, 3, 1, 0], [2, 3, 1])],
      },
    ],
  },
  {
    opType: 'CumSum',
    shape: (ctx) => [ctx.in(0)],
    prune: {
      relate(ctx) {
        const [value, y] = [ctx.node.input(0)!, ctx.node.output()];
        const axis = ctx.constant(ctx.node.input(1))?.[0];
        if (axis === undefined) return;
        const shape = ctx.shape(value);
        shape.forEach((_, i) => {
          if (i !== normalizeAxis(axis, shape.length)) ctx.same({ value, axis: i }, { value: y, axis: i });
          else ctx.freeze({ value, axis: i }, 'CumSum adds up along this axis');
        });
      },
    },
    grad: unsupported('sums along an axis are taken of indices'),
    examples: [{ name: 'last axis', inputs: [x([2, 3, 4]), cInts([2], [])] }],
  },
  {
    opType: 'ReverseSequence',
    shape: (ctx) => [ctx.in(0)],
    prune: {
      relate(ctx) {
        const [value, lengths, y] = [ctx.node.input(0)!, ctx.node.input(1)!, ctx.node.output()];
        const [batch, time] = [
          attrInt(ctx.node.attributes.get('batch_axis'), 1),
          attrInt(ctx.node.attributes.get('time_axis'), 0),
        ];
        ctx.shape(value).forEach((_, axis) => {
          if (axis !== time) ctx.same({ value, axis }, { value: y, axis });
          if (axis === batch) ctx.same({ value: lengths, axis: 0 }, { value: y, axis });
        });
      },
    },
    grad: unsupported('lengths come from data'),
    examples: [{ name: 'time first', inputs: [x([4, 2, 3]), cInts([4, 2])] }],
  },
];
