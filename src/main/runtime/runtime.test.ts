/** The real runtime on tiny models: sessions, facts, benchmark, profile and latency model. */
import { describe, expect, test } from 'vitest';
import { SecateurError } from '../../shared/contract/errors.ts';
import { graphAttr, int, ints } from '../engine/ir/attribute.ts';
import { DType } from '../engine/ir/dtype.ts';
import { Graph } from '../engine/ir/graph.ts';
import { Model } from '../engine/ir/model.ts';
import { Node } from '../engine/ir/node.ts';
import { f32, i64 } from '../engine/ir/tensor.ts';
import { Value } from '../engine/ir/value.ts';
import { buildGroups } from '../engine/structures/axes/groups.ts';
import { seededRandom } from '../engine/random.ts';
import type { LatencyTable } from '../pipeline/context.ts';
import { benchmark, knownWell } from './bench.ts';
import { createExecutor } from './executor.ts';
import { collectFacts } from './facts.ts';
import { buildLatencyModel } from './latency-model.ts';
import { profileModel } from './profile.ts';

function emptyModel(): Model {
  const m = new Model();
  m.irVersion = 8;
  m.opsets.set('', 17);
  return m;
}

/** x[N,3,8,8] -> Conv 24 -> Relu -> Conv 16 -> Relu -> GlobalAveragePool -> reshaped to [N, 16] by a Shape chain. */
function convNet(): Model {
  const m = emptyModel();
  const g = m.graph;
  const random = seededRandom(3);
  const weights = (dims: number[]) =>
    f32(
      Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => random.normal() * 0.2),
      dims,
    );
  const x = g.addInput('x', { elemType: DType.FLOAT, shape: ['N', 3, 8, 8] });
  const w1 = g.addInitializer('w1', weights([24, 3, 3, 3]));
  const w2 = g.addInitializer('w2', weights([16, 24, 3, 3]));
  const pads = [['pads', ints([1, 1, 1, 1])]] as const;
  const [c1] = g.emit('Conv', [x, w1], { name: 'c1', attributes: pads });
  const [r1] = g.emit('Relu', [c1!], { name: 'r1' });
  const [c2] = g.emit('Conv', [r1!, w2], { name: 'c2', attributes: pads });
  const [r2] = g.emit('Relu', [c2!], { name: 'r2' });
  const [p] = g.emit('GlobalAveragePool', [r2!], { name: 'pool' });
  const [shape] = g.emit('Shape', [x], { name: 'shape' });
  const [n] = g.emit('Gather', [shape!, g.addInitializer('zero', i64([0]))], {
    name: 'gather',
    attributes: [['axis', int(0)]],
  });
  const [target] = g.emit('Concat', [n!, g.addInitializer('rest', i64([-1]))], {
    name: 'target',
    attributes: [['axis', int(0)]],
  });
  const [y] = g.emit('Reshape', [p!, target!], { name: 'flat' });
  g.outputs.push(y!);
  return m;
}

describe('executor', () => {
  test.each([
    [DType.FLOAT, new Float32Array([1.5, -2])],
    [DType.FLOAT16, new Uint16Array([0x3c00, 0xc000])],
    [DType.INT64, new BigInt64Array([2n ** 40n, -1n])],
    [DType.BOOL, new Uint8Array([1, 0])],
    [DType.DOUBLE, new Float64Array([0.1, 2])],
    [DType.UINT8, new Uint8Array([255, 3])],
  ])('carries dtype %i in and out unchanged', async (dtype, data) => {
    const m = emptyModel();
    const x = m.graph.addInput('x', { elemType: dtype, shape: [2] });
    const [y] = m.graph.emit('Identity', [x], { name: 'id' });
    y!.type = { elemType: dtype, shape: [2] };
    m.graph.outputs.push(y!);
    const session = await createExecutor().open(m);
    expect(session.outputDtypes.get(y!.name)).toBe(dtype);
    const out = (await session.run({ x: { dtype, dims: [2], data } }))[y!.name]!;
    expect(out).toEqual({ dtype, dims: [2], data });
    await session.release();
  });

  test('an operator that the runtime does not know is named', async () => {
    const m = emptyModel();
    const x = m.graph.addInput('x', { elemType: DType.FLOAT, shape: [2] });
    m.opsets.set('com.acme', 1);
    m.graph.outputs.push(m.graph.emit('Frobnicate', [x], { name: 'f', domain: 'com.acme' })[0]!);
    const failure = await createExecutor()
      .open(m)
      .catch((e: unknown) => e);
    expect(failure).toBeInstanceOf(SecateurError);
    expect((failure as SecateurError).code).toBe('runtime-rejected');
    expect((failure as SecateurError).detail.operator).toBe('Frobnicate');
  });

  test('a failing node is named', async () => {
    const m = emptyModel();
    const x = m.graph.addInput('x', { elemType: DType.FLOAT, shape: ['n'] });
    const target = m.graph.addInitializer('target', i64([7]));
    m.graph.outputs.push(m.graph.emit('Reshape', [x, target], { name: 'badly' })[0]!);
    const session = await createExecutor().open(m);
    const failure = await session
      .run({ x: { dtype: DType.FLOAT, dims: [3], data: new Float32Array(3) } })
      .catch((e: unknown) => e);
    expect((failure as SecateurError).detail).toMatchObject({ operator: 'Reshape', node: 'badly' });
    await session.release();
  });
});

describe('facts', () => {
  test('shapes, dtypes, dynamic axes and constants of every value', async () => {
    const m = convNet();
    const facts = await collectFacts(m, createExecutor());
    const of = (name: string) => facts.get(m.graph.findValue(name)!);
    for (const v of m.graph.values()) expect(facts.has(v), v.name).toBe(true);
    expect(of('x')).toEqual({
      dtype: DType.FLOAT,
      shape: [1, 3, 8, 8],
      dynamic: ['N', null, null, null],
      elsewhere: [[2, 3, 8, 8]],
    });
    expect(of('c1')).toEqual({
      dtype: DType.FLOAT,
      shape: [1, 24, 8, 8],
      dynamic: ['N', null, null, null],
      elsewhere: [[2, 24, 8, 8]],
    });
    expect(of('target')).toEqual({
      dtype: DType.INT64,
      shape: [2],
      constant: [1, -1],
      varies: [true, false],
    });
    expect(of('flat')!.shape).toEqual([1, 16]);
    expect(of('flat')!.constant).toBeUndefined();
    expect((await collectFacts(m, createExecutor(), { batch: 5 })).get(m.graph.outputs[0]!)!.shape).toEqual([5, 16]);
  });

  test('has none of sequences, told by who makes and who reads them', async () => {
    const m = emptyModel();
    const g = m.graph;
    const x = g.addInput('x', { elemType: DType.FLOAT, shape: ['N', 4] });
    const parts = g.emit('SplitToSequence', [g.emit('Relu', [x], { name: 'relu' })[0]!], { name: 'split' })[0]!;
    const body = new Graph();
    body.name = 'body';
    body.addInput('i', { elemType: DType.INT64, shape: [] });
    const go = body.addInput('go', { elemType: DType.BOOL, shape: [] });
    const held = body.addInput('held', null);
    const emit = (op: string, inputs: Value[]): Value => body.emit(op, inputs, { name: op })[0]!;
    body.outputs.push(emit('Identity', [go]), emit('SequenceInsert', [held, x]));
    const grown = new Value('grown');
    const count = g.addInitializer('count', i64([2], []));
    g.append(
      new Node('Loop', [count, null, parts], [grown], { name: 'loop', attributes: [['body', graphAttr(body)]] }),
    );
    const y = g.emit('ConcatFromSequence', [grown], { name: 'join', attributes: [['axis', int(0)]] })[0]!;
    y.type = { elemType: DType.FLOAT };
    g.outputs.push(y);
    const facts = await collectFacts(m, createExecutor(), { batch: 3 });
    expect(facts.get(y)!.shape).toEqual([9, 4]);
    expect(facts.get(parts.producer!.input(0)!)!.shape).toEqual([3, 4]);
    for (const v of [parts, grown, held]) expect(facts.has(v), v.name).toBe(false);
  });
});

describe('latency', () => {
  test('benchmark: a ratio that lies in the band for sure needs no more runs', () => {
    const ratios = [0.5, 0.52, 0.48, 0.55, 0.45, 0.51, 0.49, 0.5];
    expect(knownWell(ratios, 0)).toBe(false);
    expect(knownWell(ratios, 0, [0.4, 0.6])).toBe(true);
    expect(knownWell(ratios, 0, [0.5, 0.6])).toBe(false);
    expect(knownWell(ratios, 0.2)).toBe(true);
  });

  test('benchmark: ordered quantiles, and the first candidate is the yardstick', async () => {
    const m = convNet();
    const [a, b] = await benchmark(
      [
        { name: 'a', model: m },
        { name: 'b', model: m },
      ],
      { runs: 20, maxSeconds: 300, precision: Infinity },
    );
    const s = b!.stats;
    expect(s.runs).toBeGreaterThanOrEqual(20);
    expect([s.minMs, s.p50Ms, s.p90Ms, s.p95Ms, s.p99Ms]).toEqual(
      [s.minMs, s.p50Ms, s.p90Ms, s.p95Ms, s.p99Ms].sort((x, y) => x - y),
    );
    expect(a!.ratio).toEqual({ value: 1, low: 1, high: 1 });
    expect(b!.ratio.low).toBeLessThanOrEqual(b!.ratio.value);
    expect(b!.ratio.high).toBeGreaterThanOrEqual(b!.ratio.value);
  });

  test('profile: fused kernels lead back to the nodes', async () => {
    const m = convNet();
    const p = await profileModel(m, { runs: 5, warmup: 1 });
    const names = p.operators.map((o) => o.nodes.map((n) => n.name));
    expect(names).toContainEqual(['c1', 'r1']);
    expect(names).toContainEqual(['c2', 'r2']);
  });

  test('latency model: the baseline at full width, and a filled table answers the second time', async () => {
    const m = convNet();
    const facts = await collectFacts(m, createExecutor());
    const groups = buildGroups(m, facts).groups;
    const rows = new Map<string, number>();
    const table: LatencyTable = { get: (s) => rows.get(s), put: (s, ms) => void rows.set(s, ms) };
    const first = await buildLatencyModel(m, facts, groups, { table, baselineMs: 2 });
    expect(first.measured).toBeGreaterThan(0);
    expect(first.model.predict(new Map())).toBeCloseTo(2, 9);
    for (const g of groups) expect(first.counts.get(g.id)!.at(-1)).toBe(g.units);
    const second = await buildLatencyModel(m, facts, groups, { table, baselineMs: 2 });
    expect(second.measured).toBe(0);
    expect(second.counts).toEqual(first.counts);
    expect(second.model.tables.map((t) => t.ms)).toEqual(first.model.tables.map((t) => t.ms));
  });
});
