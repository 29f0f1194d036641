/** Cuts where run-time sizes and literal widths meet: pruned equals masked at a second size of every dynamic axis. */
import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../../test/support/executor.ts';
import { oracle, prepare, randomPlan } from '../../../../../test/support/prune.ts';
import { Net } from '../../../../../test/support/topologies.ts';
import { atSecondSizes } from '../../../pipeline/evaluate/second-sizes.ts';
import { int, ints, tensorAttr } from '../../ir/attribute.ts';
import { DType } from '../../ir/dtype.ts';
import type { Model } from '../../ir/model.ts';
import { i64 } from '../../ir/tensor.ts';
import type { Value } from '../../ir/value.ts';

const sizeOf = (n: Net, v: Value, axis: number): Value =>
  n.op('Gather', [n.op('Shape', [v]), n.ints(axis)], { axis: int(0) });
const joined = (n: Net, ...parts: Value[]): Value => n.op('Concat', parts, { axis: int(0) });

/** Tokens [N, 4, 8] of x [N, 4, 6] with tokens prepended; y is their mean. */
function withTokens(extra: (n: Net, tokens: Value) => Value): Model {
  const n = new Net();
  const tokens = n.linear(n.input('N', 4, 6), 6, 8);
  const all = n.op('Concat', [extra(n, tokens), tokens], { axis: int(1) });
  const mean = n.op('ReduceMean', [n.op('Relu', [all])], { axes: ints([1]), keepdims: int(0) });
  return n.out(n.gemm(mean, 8, 3));
}

/** `Where(Equal(shape, -1), ones, shape)`, as exporters write an expand. */
function expandIdiom(n: Net, v: Value, shape: Value, rank: number): Value {
  const ones = n.op('ConstantOfShape', [n.ints(rank)], { value: tensorAttr(i64([1])) });
  const minus = n.op('Mul', [ones, n.ints(-1)]);
  return n.op('Expand', [v, n.op('Where', [n.op('Equal', [shape, minus]), ones, shape])]);
}

/** The mean over channels, height and width, divided by a count computed at run time. */
function meanOfAll(by: 'Gather' | 'Slice'): Model {
  const n = new Net();
  const x = n.relu(n.conv(n.input('N', 3, 'H', 'W'), 3, 8));
  const float = (v: Value): Value => n.op('Cast', [v], { to: int(1) });
  const widths = [1, 2, 3].map((k) => sizeOf(n, x, k));
  const count = {
    Gather: () => float(n.op('Mul', [n.op('Mul', [widths[0]!, widths[1]!]), widths[2]!])),
    Slice: () =>
      n.op('ReduceProd', [float(n.op('Slice', [n.op('Shape', [x]), n.ints(1), n.ints(4)]))], { keepdims: int(0) }),
  }[by]();
  const sum = n.op('ReduceSum', [x, n.ints(1, 2, 3)], { keepdims: int(1) });
  return n.out(n.head(n.op('Sub', [x, n.op('Div', [sum, count])]), 8));
}

/** Attention over x [N, T, 6] whose heads share an axis with the batch, as [N * 3, T, 4]; sizes are read from x. */
function headsBesideBatch(n: Net, x: Value): Model {
  const [batch, time] = [sizeOf(n, x, 0), sizeOf(n, x, 1)];
  const rows = n.op('Mul', [batch, n.ints(3)]);
  const split = (v: Value): Value => {
    const apart = n.op('Reshape', [v, joined(n, batch, time, n.ints(3, 4))]);
    return n.op('Reshape', [n.op('Transpose', [apart], { perm: ints([0, 2, 1, 3]) }), joined(n, rows, time, n.ints(4))]); // prettier-ignore
  };
  const [q, k, v] = [split(n.linear(x, 6, 12)), split(n.linear(x, 6, 12)), split(n.linear(x, 6, 12))];
  const p = n.op('Softmax', [n.op('MatMul', [q, n.op('Transpose', [k], { perm: ints([0, 2, 1]) })])], { axis: int(2) }); // prettier-ignore
  const apart = n.op('Reshape', [n.op('MatMul', [p, v]), joined(n, batch, n.ints(3), time, n.ints(4))]);
  const y = n.op('Reshape', [n.op('Transpose', [apart], { perm: ints([0, 2, 1, 3]) }), joined(n, batch, time, n.ints(12))]); // prettier-ignore
  return n.out(n.linear(y, 12, 3));
}

const CASES: Record<string, () => Model> = {
  'class token, width in the target': () =>
    withTokens((n, t) => n.op('Expand', [n.weight(1, 1, 8), joined(n, sizeOf(n, t, 0), n.ints(1, 8))])),
  'class token, -1 in the target': () =>
    withTokens((n, t) => expandIdiom(n, n.weight(1, 1, 8), joined(n, sizeOf(n, t, 0), n.ints(-1, -1)), 3)),
  registers: () => withTokens((n, t) => expandIdiom(n, n.weight(1, 3, 8), joined(n, sizeOf(n, t, 0), n.ints(3, 8)), 3)),
  'registers by Tile': () =>
    withTokens((n, t) => n.op('Tile', [n.weight(1, 3, 1), joined(n, sizeOf(n, t, 0), n.ints(1, 8))])),
  'zeros made at run time': () =>
    withTokens((n, t) => n.op('ConstantOfShape', [joined(n, sizeOf(n, t, 0), n.ints(2, 8))])),
  'zeros of a shape that follows': () =>
    withTokens((n, t) => n.op('ConstantOfShape', [joined(n, sizeOf(n, t, 0), n.ints(2), sizeOf(n, t, 2))])),
  'query embeddings': () =>
    withTokens((n, t) => {
      const queries = n.op('Expand', [n.op('Unsqueeze', [n.weight(5, 8), n.ints(0)]), joined(n, sizeOf(n, t, 0), n.ints(1, 1))]); // prettier-ignore
      return n.op('Add', [queries, n.op('ConstantOfShape', [n.op('Shape', [queries])])]);
    }),
  'option A': () => {
    const n = new Net();
    const x = n.conv(n.input('N', 3, 8, 8), 3, 4);
    const size = (k: number): Value => sizeOf(n, x, k);
    const zeros = n.op('ConstantOfShape', [joined(n, size(0), n.ints(4), size(2), size(3))]);
    const shortcut = n.op('Concat', [x, zeros], { axis: int(1) });
    return n.out(n.head(n.relu(n.add(n.conv(n.relu(x), 4, 8), shortcut)), 8));
  },
  'non-local block': () => {
    const n = new Net();
    const x = n.relu(n.conv(n.input('N', 3, 2, 'W'), 3, 8));
    const flat = (v: Value): Value => n.op('Reshape', [v, joined(n, sizeOf(n, v, 0), n.ints(4, -1))]);
    const [q, k, v] = [flat(n.conv(x, 8, 4, 1)), flat(n.conv(x, 8, 4, 1)), flat(n.conv(x, 8, 4, 1))];
    const pairs = n.op('MatMul', [n.op('Transpose', [q], { perm: ints([0, 2, 1]) }), k]);
    const mixed = n.op('MatMul', [v, n.op('Softmax', [pairs], { axis: int(1) })]);
    const back = n.op('Reshape', [mixed, joined(n, sizeOf(n, x, 0), n.ints(4), sizeOf(n, x, 2), sizeOf(n, x, 3))]);
    return n.out(n.head(n.add(x, n.conv(back, 4, 8, 1)), 8));
  },
  'NHWC, flattened and back': () => {
    const n = new Net();
    const x = n.relu(n.linear(n.input('N', 8, 'W', 3), 3, 8));
    const rows = n.op('Reshape', [x, n.ints(-1, 8)]);
    const back = joined(n, sizeOf(n, x, 0), sizeOf(n, x, 1), sizeOf(n, x, 2), n.ints(8));
    const y = n.op('Reshape', [n.relu(n.linear(rows, 8, 8)), back]);
    return n.out(n.linear(n.op('ReduceMean', [y], { axes: ints([1, 2]), keepdims: int(0) }), 8, 3));
  },
  ...Object.fromEntries(
    (['Gather', 'Slice'] as const).map((by) => [`a mean over all of a map, its count by ${by}`, () => meanOfAll(by)]),
  ),
  'heads beside the batch': () => {
    const n = new Net();
    return headsBesideBatch(n, n.input('N', 'T', 6));
  },
  'heads beside the batch, sizes of a tensor that is cut': () => {
    const n = new Net();
    return headsBesideBatch(n, n.linear(n.input('N', 'T', 5), 5, 6));
  },
  'resize to the size of another map': () => {
    const n = new Net();
    const x = n.input('N', 3, 8, 'W');
    const small = n.conv(n.relu(n.conv(x, 3, 8, 3, 1, 2)), 8, 8);
    const to = joined(n, sizeOf(n, x, 0), n.ints(8), sizeOf(n, x, 2), sizeOf(n, x, 3));
    return n.out(n.head(n.add(n.op('Resize', [small, null, null, to]), n.conv(x, 3, 8)), 8));
  },
  'positions resized to the map': () => {
    const n = new Net();
    const x = n.conv(n.input('N', 3, 8, 'W'), 3, 8);
    const to = joined(n, n.ints(1, 8), sizeOf(n, x, 2), sizeOf(n, x, 3));
    return n.out(n.head(n.relu(n.add(x, n.op('Resize', [n.weight(1, 8, 4, 4), null, null, to]))), 8));
  },
  'first positions of a table': () => {
    const n = new Net();
    const x = n.linear(n.input('N', 'T', 6), 6, 8);
    const first = n.op('Slice', [n.weight(1, 40, 8), n.ints(0, 0), joined(n, sizeOf(n, x, 1), n.ints(8)), n.ints(1, 2)]); // prettier-ignore
    return n.out(n.linear(n.relu(n.add(x, first)), 8, 3));
  },
  'zero state': () => {
    const n = new Net();
    const x = n.linear(n.input('N', 'T', 6), 6, 5);
    const state = n.op('ConstantOfShape', [joined(n, n.ints(1), sizeOf(n, x, 0), n.ints(8))]);
    const steps = n.op('Transpose', [x], { perm: ints([1, 0, 2]) });
    const y = n.op('LSTM', [steps, n.weight(1, 32, 5), n.weight(1, 32, 8), null, null, state, state], { hidden_size: int(8) }); // prettier-ignore
    return n.out(n.linear(n.op('Squeeze', [y, n.ints(1)]), 8, 3));
  },
  'whole data reshaped by the size of a cut tensor, behind zeros made at run time': () => {
    const n = new Net();
    const t = n.linear(n.input('N', 4, 6), 6, 8);
    const h = n.op('Add', [t, n.op('ConstantOfShape', [n.op('Shape', [t])])]);
    return n.out(n.op('Reshape', [n.linear(h, 8, 8), joined(n, sizeOf(n, h, 0), n.ints(4), sizeOf(n, h, 2))]));
  },
  'whole data reshaped by the size of a cut tensor, behind a scale made of that size': () => {
    const n = new Net();
    const t = n.linear(n.input('N', 4, 6), 6, 8);
    const h = n.op('Mul', [t, n.op('Sqrt', [n.op('Cast', [sizeOf(n, t, 2)], { to: int(DType.FLOAT) })])]);
    return n.out(n.op('Reshape', [n.linear(h, 8, 8), joined(n, sizeOf(n, h, 0), n.ints(4), sizeOf(n, h, 2))]));
  },
  'whole rows of a table up to the size of a cut tensor': () => {
    const n = new Net();
    const h = n.linear(n.input('N', 4, 6), 6, 8);
    const rows = n.op('Slice', [n.weight(16, 8), n.ints(0), sizeOf(n, h, 2), n.ints(0)]);
    return n.out(n.op('MatMul', [h, n.op('Transpose', [rows], { perm: ints([1, 0]) })]));
  },
  'whole data stretched to the size of a cut tensor': () => {
    const n = new Net();
    const h = n.linear(n.input('N', 4, 6), 6, 8);
    const one = n.op('Expand', [n.weight(1, 1, 1), joined(n, n.ints(1, 1), sizeOf(n, h, 2))]);
    const copies = n.op('Tile', [n.weight(1, 1, 1), joined(n, n.ints(1, 1), sizeOf(n, h, 2))]);
    return n.out(n.add(n.add(n.linear(h, 8, 8), one), copies));
  },
  'divided by width and height together': () => {
    const n = new Net();
    const x = n.relu(n.conv(n.input('N', 3, 4, 'W'), 3, 8));
    const all = n.op('Mul', [n.op('Mul', [sizeOf(n, x, 1), sizeOf(n, x, 2)]), sizeOf(n, x, 3)]);
    return n.out(n.head(n.conv(n.op('Div', [x, n.op('Cast', [all], { to: int(DType.FLOAT) })]), 8, 8), 8));
  },
  'divided by the number of all elements': () => {
    const n = new Net();
    const x = n.relu(n.conv(n.input('N', 3, 4, 'W'), 3, 8));
    const all = n.op('Cast', [n.op('Size', [x])], { to: int(DType.FLOAT) });
    return n.out(n.head(n.conv(n.op('Div', [x, all]), 8, 8), 8));
  },
  'windows, of which there is one at the first size': () => {
    const n = new Net();
    n.model.sizes = new Map([
      ['H', 32],
      ['W', 32],
    ]);
    const x = n.relu(n.linear(n.input('N', 'H', 'W', 3), 3, 8));
    const [high, wide] = [1, 2].map((k) => n.op('Div', [sizeOf(n, x, k), n.ints(32)]));
    const apart = n.op('Reshape', [x, joined(n, sizeOf(n, x, 0), high!, n.ints(32), wide!, n.ints(32, 8))]);
    const turned = n.op('Transpose', [apart], { perm: ints([0, 1, 3, 2, 4, 5]) });
    const windows = n.op('Reshape', [turned, joined(n, n.ints(-1, 1024), sizeOf(n, x, 3))]);
    return n.out(n.linear(n.op('ReduceMean', [windows], { axes: ints([1]), keepdims: int(0) }), 8, 3));
  },
  'equal axes of two names': () => {
    const n = new Net();
    const [a, b] = [n.input('A', 4, 6), n.input('B', 4, 6)];
    const h = n.op('Add', [n.linear(a, 6, 8), n.linear(b, 6, 8)]);
    const flat = n.op('Reshape', [h, joined(n, sizeOf(n, b, 0), n.ints(32))]);
    return n.out(n.gemm(n.relu(flat), 32, 3));
  },
};

describe('run-time sizes beside literal widths', () => {
  for (const [name, build] of Object.entries(CASES))
    it(name, async () => {
      const p = await prepare(build());
      expect(p.analysis.groups.length, JSON.stringify(p.analysis.skipped)).toBeGreaterThan(0);
      const plan = randomPlan(p, 1, 0.3);
      const { error, effect } = await oracle(p, plan);
      expect(error).toBeLessThan(1e-4);
      expect(effect).toBeGreaterThan(0);
      const found = await atSecondSizes(p, plan, plainExecutor);
      expect(found.faults).toEqual([]);
      expect(found.runs.others.length).toBeGreaterThan(0);
    });
});
