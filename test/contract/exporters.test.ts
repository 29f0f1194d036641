/**
 * The same structures as written by different exporters: the pruned model equals the masked one,
 * and dynamic axes stay dynamic.
 */
import { describe, expect, it } from 'vitest';
import { attrInt, float, int, ints } from '../../src/main/engine/ir/attribute.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { f32, i64, MemoryTensor } from '../../src/main/engine/ir/tensor.ts';
import type { Value } from '../../src/main/engine/ir/value.ts';
import { maskModel } from '../../src/main/engine/structures/mask.ts';
import { applyPlan } from '../../src/main/engine/structures/apply.ts';
import { randomTensor } from '../../src/main/runtime/random-inputs.ts';
import { difference, oracle, prepare, randomPlan, runOnce, choose } from '../support/prune.ts';
import { Net } from '../support/topologies.ts';

const WIDTH = 12;
const HEADS = 3;

/** The form in which a normalization is written. */
type Norm = (n: Net, x: Value, width: number) => Value;
const layerNorm: Norm = (n, x, width) => n.op('LayerNormalization', [x, n.weight(width), n.weight(width)]);
const rmsNorm: Norm = (n, x, width) => n.op('SimplifiedLayerNormalization', [x, n.weight(width)], { epsilon: float(1e-6) }); // prettier-ignore
const scalar = (n: Net, x: number): Value => n.model.graph.addInitializer(n.model.graph.freshName('c'), f32([x], []));
/** ReduceMean with its axes as an attribute, Sub, Pow, Sqrt, Div: layer normalization before operator set 17. */
const decomposed: Norm = (n, x, width) => {
  const mean = n.op('ReduceMean', [x], { axes: ints([-1]) });
  const centred = n.op('Sub', [x, mean]);
  const variance = n.op('ReduceMean', [n.op('Pow', [centred, scalar(n, 2)])], { axes: ints([-1]) });
  const unit = n.op('Div', [centred, n.op('Sqrt', [n.op('Add', [variance, scalar(n, 1e-5)])])]);
  return n.op('Add', [n.op('Mul', [unit, n.weight(width)]), n.weight(width)]);
};

const linear = (n: Net, x: Value, from: number, to: number): Value =>
  n.op('Add', [n.weight(to), n.op('MatMul', [x, n.weight(from, to)])]);
const part = (n: Net, shape: Value, i: number): Value =>
  n.op('Unsqueeze', [n.op('Gather', [shape, n.model.graph.addInitializer(n.model.graph.freshName('at'), i64([i], []))], { axis: int(0) }), n.ints(0)]); // prettier-ignore

/** Separate projections; the targets of reshapes are computed from the shape of the input. */
function separate(n: Net, x: Value): Value {
  const shape = n.op('Shape', [x]);
  const [batch, length] = [part(n, shape, 0), part(n, shape, 1)];
  const split = (v: Value, perm: number[]): Value =>
    n.op('Transpose', [n.op('Reshape', [v, n.op('Concat', [batch, length, n.ints(HEADS), n.ints(WIDTH / HEADS)], { axis: int(0) })])], { perm: ints(perm) }); // prettier-ignore
  const [q, k, v] = [0, 1, 2].map(() => linear(n, x, WIDTH, WIDTH));
  const scores = n.op('MatMul', [split(q!, [0, 2, 1, 3]), split(k!, [0, 2, 3, 1])]);
  const attention = n.op('Softmax', [n.op('Div', [scores, scalar(n, 2)])], { axis: int(-1) });
  const mixed = n.op('Transpose', [n.op('MatMul', [attention, split(v!, [0, 2, 1, 3])])], { perm: ints([0, 2, 1, 3]) });
  const joined = n.op('Reshape', [mixed, n.op('Concat', [batch, length, n.ints(WIDTH)], { axis: int(0) })]);
  return linear(n, joined, WIDTH, WIDTH);
}

/** One projection to [3, heads, size], split by Gather. */
function fused(n: Net, x: Value): Value {
  const shape = n.op('Shape', [x]);
  const [batch, length] = [part(n, shape, 0), part(n, shape, 1)];
  const target = n.op('Concat', [batch, length, n.ints(3), n.ints(HEADS), n.ints(-1)], { axis: int(0) });
  const qkv = n.op('Transpose', [n.op('Reshape', [linear(n, x, WIDTH, 3 * WIDTH), target])], { perm: ints([2, 0, 3, 1, 4]) }); // prettier-ignore
  const [q, k, v] = [0, 1, 2].map((i) => n.op('Gather', [qkv, n.model.graph.addInitializer(n.model.graph.freshName('which'), i64([i], []))], { axis: int(0) })); // prettier-ignore
  const scores = n.op('MatMul', [n.op('Mul', [q!, scalar(n, 0.5)]), n.op('Transpose', [k!], { perm: ints([0, 1, 3, 2]) })]); // prettier-ignore
  const mixed = n.op('MatMul', [n.op('Softmax', [scores], { axis: int(-1) }), v!]);
  const joined = n.op('Reshape', [n.op('Transpose', [mixed], { perm: ints([0, 2, 1, 3]) }), n.op('Concat', [batch, length, n.ints(-1)], { axis: int(0) })]); // prettier-ignore
  return linear(n, joined, WIDTH, WIDTH);
}

function contrib(n: Net, x: Value): Value {
  n.model.opsets.set('com.microsoft', 1);
  const [q, k, v] = [0, 1, 2].map(() => linear(n, x, WIDTH, WIDTH));
  const [y] = n.model.graph.emit('MultiHeadAttention', [q!, k!, v!], {
    domain: 'com.microsoft',
    attributes: [['num_heads', int(HEADS)]],
  });
  return linear(n, y!, WIDTH, WIDTH);
}

/** Four query heads, two of which share keys and values; packed in one input, or separate. */
const groupQuery =
  (packed: boolean) =>
  (n: Net, x: Value): Value => {
    n.model.opsets.set('com.microsoft', 1);
    const [heads, groups, size] = [4, 2, 8];
    const shape = n.op('Shape', [x]);
    const int32 = (v: Value): Value => n.op('Cast', [v], { to: int(DType.INT32) });
    const length = part(n, shape, 1);
    const last = n.op('Sub', [length, n.ints(1)]);
    const lengths = int32(n.op('Expand', [last, part(n, shape, 0)]));
    const total = int32(n.op('Squeeze', [length, n.ints(0)]));
    // Separate keys and queries are rotated by their positions.
    const rotated = (v: Value): Value =>
      n.model.graph.emit('RotaryEmbedding', [v, n.ints(0), n.weight(32, size / 2), n.weight(32, size / 2)], {
        domain: 'com.microsoft',
      })[0]!;
    const [q, k, v] = [heads, groups, groups].map((h) => linear(n, x, WIDTH, h * size));
    const inputs = packed
      ? [linear(n, x, WIDTH, (heads + 2 * groups) * size), null, null]
      : [rotated(q!), rotated(k!), v!];
    const [y] = n.model.graph.emit('GroupQueryAttention', [...inputs, null, null, lengths, total], {
      domain: 'com.microsoft',
      outputs: 3,
      attributes: [
        ['num_heads', int(heads)],
        ['kv_num_heads', int(groups)],
      ],
    });
    return linear(n, y!, heads * size, WIDTH);
  };

function transformer(opset: number, norm: Norm, attention: (n: Net, x: Value) => Value): Model {
  const n = new Net(opset);
  let x = linear(n, n.input('batch', 'sequence', 5), 5, WIDTH);
  x = n.op('Add', [x, attention(n, norm(n, x, WIDTH))]);
  const hidden = linear(n, norm(n, x, WIDTH), WIDTH, 16);
  const gate = n.op('Add', [n.op('Erf', [n.op('Div', [hidden, scalar(n, Math.SQRT2)])]), scalar(n, 1)]);
  const gelu = n.op('Mul', [n.op('Mul', [hidden, gate]), scalar(n, 0.5)]);
  x = n.op('Add', [x, linear(n, gelu, 16, WIDTH)]);
  const y = linear(n, norm(n, x, WIDTH), WIDTH, 4);
  y.type = { elemType: DType.FLOAT, shape: ['batch', 'sequence', 4] };
  n.model.graph.outputs.push(y);
  return n.model;
}

/**
 * Styles, with the sizes of the head axes that are units of their own: of queries and keys, and of
 * values; all three when one projection makes them.
 */
const STYLES: Record<string, readonly [dimensions: number[], build: () => Model]> = {
  'separate projections, shapes from the input': [[4, 4], () => transformer(17, layerNorm, separate)],
  'one projection, operator set 14, normalization in parts': [[4], () => transformer(14, decomposed, fused)],
  'root mean square normalization': [[4, 4], () => transformer(17, rmsNorm, separate)],
  'attention fused by an optimizer': [[], () => transformer(17, layerNorm, contrib)],
};

describe('a transformer', () => {
  it.each(Object.keys(STYLES))(
    'with %s loses width, heads, their dimensions and hidden units, at any length',
    async (name) => {
      const [dimensions, build] = STYLES[name]!;
      const p = await prepare(build());
      expect(p.analysis.groups.map((g) => g.units)).toEqual([WIDTH, HEADS, 16, ...dimensions]);
      expect(p.analysis.skipped).toHaveLength(1);
      const plan = randomPlan(p, 5, 0.4);
      expect((await oracle(p, plan)).error).toBeLessThan(1e-4);
      // Sizes that the analysis did not use.
      const feeds = { [p.model.graph.inputs[0]!.name]: randomTensor(DType.FLOAT, [3, 7, 5], 9) };
      const pruned = applyPlan(p, plan).model;
      const masked = maskModel(p, plan);
      const [a, b] = [await runOnce(masked, feeds), await runOnce(pruned, feeds)];
      expect(Object.values(b)[0]!.dims).toEqual([3, 7, 4]);
      expect(difference(a, b)).toBeLessThan(1e-4);
    },
  );
});

describe('grouped-query attention', () => {
  it.each([true, false])('loses keys with the queries that share them, side by side: %s', async (packed) => {
    const p = await prepare(transformer(17, layerNorm, groupQuery(packed)));
    expect(p.analysis.groups.map((g) => g.units)).toEqual([WIDTH, 2, 16]);
    expect(p.structures.filter((s) => s.axes).map((s) => s.unit)).toEqual(['channel', 'KV group', 'channel']);
    const plan = choose(p, { [p.analysis.groups[1]!.id]: [0] });
    expect((await oracle(p, plan)).error).toBeLessThan(1e-4);
    const pruned = applyPlan(p, plan).model;
    const node = [...pruned.graph.nodes()].find((n) => n.opType === 'GroupQueryAttention')!;
    const attribute = (name: string): number => attrInt(node.attributes.get(name), 0);
    expect([attribute('num_heads'), attribute('kv_num_heads')]).toEqual([2, 1]);
    expect((await oracle(p, randomPlan(p, 5, 0.4))).error).toBeLessThan(1e-4);
  });
});

describe('a quantized network', () => {
  it('is pruned through its scales and zero points', async () => {
    const n = new Net(17);
    const { graph } = n.model;
    const byte = (name: string, dims: number[], data: number[], dtype: number): Value =>
      graph.addInitializer(graph.freshName(name), new MemoryTensor(dtype, dims, Int8Array.from(data) as unknown as Uint8Array)); // prettier-ignore
    const steps = (count: number): Value => graph.addInitializer(graph.freshName('scale'), f32(Array.from({ length: count }, (_, i) => 0.01 + 0.003 * i), count > 1 ? [count] : [])); // prettier-ignore
    const quantized = (x: Value): Value => {
      const [scale, zero] = [steps(1), byte('zero', [], [3], DType.INT8)];
      return n.op('DequantizeLinear', [n.op('QuantizeLinear', [x, scale, zero]), scale, zero]);
    };
    const weight = (m: number, c: number): Value => {
      const data = Array.from({ length: m * c * 9 }, (_, i) => ((i * 37) % 120) - 60);
      return n.op('DequantizeLinear', [byte('w', [m, c, 3, 3], data, DType.INT8), steps(m), byte('zeros', [m], new Array<number>(m).fill(0), DType.INT8)], { axis: int(0) }); // prettier-ignore
    };
    const conv = (x: Value, c: number, m: number): Value =>
      n.op('Conv', [quantized(x), weight(m, c), n.weight(m)], { pads: ints([1, 1, 1, 1]) });
    const h = n.op('Relu', [conv(n.input('batch', 3, 6, 6), 3, 8)]);
    const y = conv(n.op('Relu', [conv(h, 8, 6)]), 6, 2);
    y.type = { elemType: DType.FLOAT };
    graph.outputs.push(y);
    const p = await prepare(n.model);
    expect(p.analysis.groups.map((g) => g.units)).toEqual([8, 6]);
    const result = await oracle(p, randomPlan(p, 3, 0.5));
    expect(result.error).toBeLessThan(1e-5);
    expect(result.effect).toBeGreaterThan(0.01);
  });
});
