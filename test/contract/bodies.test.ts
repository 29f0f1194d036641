/**
 * Axes that begin, end or pass in the body of a Loop or Scan: the pruned model equals the masked
 * one, and axes that cannot be traced stay whole.
 */
import { describe, expect, it } from 'vitest';
import { graphAttr, int, ints, type Attribute } from '../../src/main/engine/ir/attribute.ts';
import { everyNode } from '../../src/main/engine/ir/bodies.ts';
import { cloneModel } from '../../src/main/engine/ir/clone.ts';
import { modelCosts } from '../../src/main/engine/ir/costs.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import type { Facts } from '../../src/main/engine/ir/facts.ts';
import { Graph } from '../../src/main/engine/ir/graph.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { Node } from '../../src/main/engine/ir/node.ts';
import { f32, i64, MemoryTensor } from '../../src/main/engine/ir/tensor.ts';
import { Value } from '../../src/main/engine/ir/value.ts';
import { signatureOf } from '../../src/main/engine/latency/signature.ts';
import { compensate } from '../../src/main/engine/compensation/sequential.ts';
import { criterionFor } from '../../src/main/engine/criteria/registry.ts';
import { sinkLinks } from '../../src/main/engine/criteria/support/sinks.ts';
import { buildGroups } from '../../src/main/engine/structures/axes/groups.ts';
import { gateModel, maskModel } from '../../src/main/engine/structures/mask.ts';
import { applyPlan } from '../../src/main/engine/structures/apply.ts';
import { collectFacts } from '../../src/main/runtime/facts.ts';
import { buildLatencyModel } from '../../src/main/runtime/latency-model.ts';
import { plainExecutor } from '../support/executor.ts';
import { difference, feedsFor, oracle, prepare, randomPlan, runOnce, choose, removedIn } from '../support/prune.ts';
import { Net } from '../support/topologies.ts';

const float = (...shape: (number | string)[]) => ({ elemType: DType.FLOAT, shape });

/** Emits nodes into a body. Names are made as exporters make them, regardless of outer names. */
class Body {
  readonly graph = new Graph();
  readonly prefix: string;
  constructor(kind: 'Loop' | 'Scan', prefix = 'in') {
    this.prefix = prefix;
    this.graph.name = 'body';
    if (kind === 'Scan') return;
    this.graph.addInput(`${prefix}Iteration`, { elemType: DType.INT64, shape: [] });
    const go = this.graph.addInput(`${prefix}Go`, { elemType: DType.BOOL, shape: [] });
    this.graph.outputs.push(this.op('Identity', [go]));
  }
  op(op: string, inputs: (Value | null)[], attributes: Record<string, Attribute> = {}): Value {
    return this.graph.emit(op, inputs, { attributes: Object.entries(attributes), name: this.graph.freshName(`${this.prefix}${op}`) })[0]!;
  } // prettier-ignore
  weight(...dims: number[]): Value {
    const n = dims.reduce((a, b) => a * b, 1);
    const data = Array.from({ length: n }, (_, i) => Math.sin(5 * i + n) / 2);
    return this.graph.addInitializer(this.graph.freshName('w'), f32(data, dims));
  }
  out(...v: Value[]): void {
    for (const o of v) o.type ??= { elemType: DType.FLOAT };
    this.graph.outputs.push(...v);
  }
}

function run(n: Net, op: 'Loop' | 'Scan', inputs: (Value | null)[], body: Body, outputs: number, scans = 0): Value[] {
  const out = Array.from({ length: outputs }, () => new Value(n.model.graph.freshName('state')));
  const attributes: [string, Attribute][] = [['body', graphAttr(body.graph)]];
  if (op === 'Scan') attributes.push(['num_scan_inputs', int(scans)]);
  n.model.graph.append(new Node(op, inputs, out, { name: op.toLowerCase(), attributes }));
  return out;
}
const times = (n: Net, count: number): Value => n.model.graph.addInitializer('count', i64([count], []));

/**
 * A recurrent cell over a sequence [T, B, 5], with weights outside the body or in it; 8 hidden
 * units.
 */
function recurrent(own: boolean): Model {
  const n = new Net();
  const x = n.input(6, 'batch', 5);
  const body = new Body('Scan');
  const h = body.graph.addInput('h', float('batch', 8));
  const step = body.graph.addInput('step', float('batch', 5));
  const from = own ? body : n;
  const [wx, wh, bias] = [from.weight(5, 8), from.weight(8, 8), from.weight(8)];
  const sum = body.op('Add', [body.op('MatMul', [step, wx]), body.op('MatMul', [h, wh])]);
  const next = body.op('Tanh', [body.op('Add', [sum, bias])]);
  body.out(next, body.op('Identity', [next]));
  const size = n.op('Slice', [n.op('Shape', [x]), n.ints(1), n.ints(2)]);
  const start = n.op('Expand', [n.model.graph.addInitializer('zeros', f32(new Float32Array(8), [1, 8])), n.op('Concat', [size, n.ints(8)], { axis: int(0) })]); // prettier-ignore
  const [last, all] = run(n, 'Scan', [start, x], body, 2, 1);
  return n.out(n.gemm(last!, 8, 3), n.linear(all!, 8, 4));
}

/**
 * Three iterations of x + w2 relu(w1 norm(x)) on the output of a linear layer: 12 hidden units, 6
 * carried ones.
 */
function refined(count: (n: Net) => Value, extra: (b: Body, h: Value) => Value = (_, h) => h): Model {
  const n = new Net();
  const x = n.linear(n.input('batch', 4), 4, 6);
  const body = new Body('Loop');
  const h = body.graph.addInput('h', float('batch', 6));
  const normed = body.op('LayerNormalization', [h, body.weight(6), body.weight(6)]);
  const inner = body.op('Relu', [body.op('Add', [body.op('MatMul', [normed, body.weight(6, 12)]), body.weight(12)])]);
  const next = body.op('Add', [h, body.op('MatMul', [extra(body, inner), body.weight(12, 6)])]);
  body.out(next);
  const [y] = run(n, 'Loop', [count(n), null, x], body, 1);
  return n.out(n.gemm(y!, 6, 3));
}

/** Convolutions in a Loop, with a squeeze gate over their channels. */
function convolved(): Model {
  const n = new Net();
  const x = n.relu(n.conv(n.input(1, 3, 6, 6), 3, 8));
  const body = new Body('Loop');
  const h = body.graph.addInput('h', float(1, 8, 6, 6));
  const y = body.op('Conv', [h, body.weight(10, 8, 3, 3), body.weight(10)], { pads: ints([1, 1, 1, 1]) });
  const gate = body.op('Sigmoid', [body.op('Conv', [body.op('GlobalAveragePool', [y]), body.weight(10, 10, 1, 1)])]);
  const z = body.op('Conv', [body.op('Mul', [y, gate]), body.weight(8, 10, 1, 1)]);
  const next = body.op('Relu', [body.op('Add', [h, z])]);
  body.out(next, body.op('GlobalAveragePool', [next]));
  const [last, pooled] = run(n, 'Loop', [times(n, 2), null, x], body, 2);
  return n.out(n.head(last!, 8), n.op('ReduceMax', [pooled!], { axes: ints([2]) }));
}

/** Unit counts by the name of the producing node. */
const widths = async (m: Model): Promise<Record<string, number>> =>
  Object.fromEntries(
    buildGroups(m, await collectFacts(m, plainExecutor)).groups.map((g) => [g.id.replace(/_\d+$/, ''), g.units]),
  );

describe('bodies of Loop and Scan', () => {
  it.each<[string, () => Model, Record<string, number>]>([
    ['a recurrent cell with weights outside', () => recurrent(false), { inMatMul: 8 }],
    ['a recurrent cell with weights of its own', () => recurrent(true), { inMatMul: 8 }],
    ['a feed-forward part in a Loop', () => refined((n) => times(n, 3)), { inMatMul: 12, linear1: 6 }],
    ['convolutions in a Loop', convolved, { inConv: 10 }],
  ])('%s: pruned equals masked', async (_, build, units) => {
    const p = await prepare(build());
    expect(Object.fromEntries(p.analysis.groups.map((g) => [g.id.replace(/_\d+$/, ''), g.units]))).toEqual(units);
    for (const seed of [1, 2, 3]) {
      const { error, effect, pruned } = await oracle(p, randomPlan(p, seed, 0.4));
      expect(error).toBeLessThan(1e-4);
      expect(effect).toBeGreaterThan(1e-3);
      const facts = await collectFacts(pruned, plainExecutor);
      expect(modelCosts(pruned, facts).macs).toBeLessThan(0.8 * modelCosts(p.model, p.facts).macs);
      expect(modelCosts(pruned, facts).params).toBeLessThan(0.8 * modelCosts(p.model, p.facts).params);
    }
  });

  it('count as often as they run', async () => {
    const macs = async (count: number): Promise<number> => {
      const m = refined((n) => times(n, count));
      return modelCosts(m, await collectFacts(m, plainExecutor)).macs;
    };
    expect((await macs(5)) - (await macs(3))).toBe(2 * 2 * 6 * 12);
  });

  it('may be gated like everything else', async () => {
    const p = await prepare(recurrent(true));
    const gated = gateModel(p);
    const plan = randomPlan(p, 4, 0.5);
    const cut = await runOnce(applyPlan(p, plan).model, feedsFor(p));
    const gates = Object.fromEntries(
      p.analysis.groups.map((g) => {
        const removed = new Set(removedIn(plan, g.id));
        const data = Float32Array.from({ length: g.units }, (_, i) => (removed.has(i) ? 0 : 1));
        return [gated.gates.get(g.id)!, { dtype: DType.FLOAT, dims: [g.units], data }];
      }),
    );
    expect(difference(await runOnce(gated.model, { ...feedsFor(p), ...gates }), cut)).toBeLessThan(1e-4);
  });

  it('run as often as the input says, and keep their dynamic axes', async () => {
    const p = await prepare(refined((n) => n.model.graph.addInput('count', { elemType: DType.INT64, shape: [] })));
    const plan = randomPlan(p, 1, 0.4);
    expect(plan.choices).toHaveLength(2);
    const pruned = applyPlan(p, plan).model;
    const feeds = (batch: number, count: bigint) => ({
      x: {
        dtype: DType.FLOAT,
        dims: [batch, 4],
        data: Float32Array.from({ length: 4 * batch }, (_, i) => Math.cos(i)),
      },
      count: { dtype: DType.INT64, dims: [], data: BigInt64Array.of(count) },
    });
    const masked = maskModel(p, plan);
    for (const [batch, count] of [[1, 1n], [3, 4n], [2, 0n]] as const) // prettier-ignore
      expect(difference(await runOnce(masked, feeds(batch, count)), await runOnce(pruned, feeds(batch, count)))).toBeLessThan(1e-4); // prettier-ignore
  });

  it('that never run, read sizes or hold another choice stay as they are', async () => {
    expect(await widths(refined((n) => times(n, 0)))).toEqual({});
    // The size of the hidden axis becomes a factor.
    const sized = (b: Body, h: Value): Value => {
      const size = b.op('Gather', [b.op('Shape', [h]), b.graph.addInitializer('last', i64([1], []))]);
      return b.op('Div', [h, b.op('Sqrt', [b.op('Cast', [size], { to: int(DType.FLOAT) })])]);
    };
    const p = await prepare(refined((n) => times(n, 2), sized));
    expect(p.analysis.groups.map((g) => g.units)).toEqual([6]);
    expect(p.analysis.skipped.map((s) => s.reason)).toContain('its size is read inside a body');
    const chosen = (b: Body, h: Value): Value => {
      const branch = (op: string): Attribute => {
        const g = new Graph();
        g.name = op;
        g.outputs.push(g.emit(op, [h], { outputName: `${op}_out` })[0]!);
        g.outputs[0]!.type = float('batch', 12);
        return graphAttr(g);
      };
      const go = b.graph.addInitializer('which', new MemoryTensor(DType.BOOL, [], Uint8Array.of(1)));
      return b.op('If', [go], { then_branch: branch('Tanh'), else_branch: branch('Neg') });
    };
    const q = await prepare(refined((n) => times(n, 2), chosen));
    expect(q.analysis.groups.map((g) => g.units)).toEqual([6]);
  });

  it('hold other bodies, whose readings keep what they read whole', async () => {
    // A nested Loop adds up the hidden units, which it reads from the outer scope.
    const nested = (b: Body, h: Value): Value => {
      const inner = new Body('Loop', 'deep');
      const total = inner.graph.addInput('total', float(1));
      const sum = inner.op('ReduceSum', [h], { keepdims: int(0) });
      inner.out(inner.op('Add', [total, sum]));
      const count = b.graph.addInitializer('often', i64([2], []));
      const start = b.graph.addInitializer('nothing', f32([0], [1]));
      return b.op('Mul', [h, b.op('Loop', [count, null, start], { body: graphAttr(inner.graph) })]);
    };
    const p = await prepare(cloneModel(refined((n) => times(n, 2), nested)).model);
    expect(p.analysis.groups.map((g) => g.units)).toEqual([6]);
    expect(p.analysis.skipped.map((s) => s.reason)).toContain('read inside the body of Loop');
    const { error, effect } = await oracle(p, randomPlan(p, 1, 0.4));
    expect(error).toBeLessThan(1e-4);
    expect(effect).toBeGreaterThan(1e-3);
  });

  it('give up no name to what is made up later', async () => {
    const p = await prepare(convolved());
    const { pruned } = await oracle(p, randomPlan(p, 5, 0.5));
    const names = [...everyNode(pruned.graph)].flatMap((n) => n.outputs.map((o) => o.name));
    expect(new Set(names).size).toBe(names.length);
  });

  it('are timed in the widths that their weights would have, each by what is in it', async () => {
    const p = await prepare(recurrent(true));
    const { model } = await buildLatencyModel(p.model, p.facts, p.analysis.groups, { baselineMs: 1 });
    const table = model.tables.find((t) => t.unit.opType === 'Scan')!;
    expect(table.grid.map((g) => g.group)).toEqual(p.analysis.groups.map((g) => g.id));
    for (const ms of table.ms) expect(ms).toBeGreaterThan(0);
    const scan = (m: Model): Node => [...m.graph.nodes()].find((n) => n.key === 'Scan')!;
    const signature = (m: Model, facts: Facts): string => {
      const n = scan(m);
      const unit = { name: '', opType: 'Scan', nodes: [n], inputs: n.inputs.filter((v) => v !== null), blockedInputs: new Set<Value>(), constants: [], outputs: n.outputs, groups: [], profiledMs: 1 }; // prettier-ignore
      return signatureOf(unit, (v) => facts.get(v)?.shape ?? [], facts, { provider: 'cpu', threads: 1 });
    };
    const same = await prepare(recurrent(true));
    const other = await prepare(recurrent(true));
    const tanh = [...everyNode(other.model.graph)].find((n) => n.key === 'Tanh')!;
    const [x, y] = [tanh.input(0)!, tanh.output()];
    tanh.graph!.insertBefore(tanh, new Node('Sigmoid', [x], [new Value('squashed')], { name: 'squash' }));
    tanh.setInput(0, tanh.prev!.output());
    expect(y.consumers().length).toBeGreaterThan(0);
    expect(signature(same.model, same.facts)).toBe(signature(p.model, p.facts));
    expect(signature(other.model, other.facts)).not.toBe(signature(p.model, p.facts));
  });

  it('move what comes behind them, which is refitted', async () => {
    const p = await prepare(refined((n) => times(n, 2)));
    const inner = p.analysis.groups.filter((g) => g.units === 12);
    const plan = choose(p, Object.fromEntries(inner.map((g) => [g.id, [0, 3, 5, 8, 9, 11]])));
    const batches = Array.from({ length: 4 }, (_, k) => ({
      x: { dtype: DType.FLOAT, dims: [32, 4], data: Float32Array.from({ length: 128 }, (_, i) => Math.sin(i * (k + 1.3))) },
    })); // prettier-ignore
    const error = async (m: Model): Promise<number> =>
      difference(await runOnce(p.model, batches[0]!), await runOnce(m, batches[0]!));
    const surgery = applyPlan(p, plan);
    const before = await error(surgery.model);
    const fits = await compensate(plainExecutor, p, surgery, batches, { threads: 1, kind: 'least-squares' });
    expect(fits.map((f) => f.node)).toEqual(['gemm2']);
    expect(await error(surgery.model)).toBeLessThan(0.8 * before);
  });

  it('have no part in what criteria learn from activations', async () => {
    const p = await prepare(cloneModel(recurrent(true)).model);
    const [group] = p.analysis.groups;
    const statistics = () => { throw new Error('nobody looks into bodies'); }; // prettier-ignore
    for (const name of ['wifv', 'activation-norm', 'osscar']) {
      const seen = sinkLinks(group!).map((l) => l.node.graph === p.model.graph);
      expect(seen).toEqual([true, true]);
      // Without the two heads nothing can be evaluated, so the magnitude criterion decides.
      const alone = {
        ...group!,
        members: group!.members.filter((m) => m.nodes.every((n) => n.graph !== p.model.graph)),
      };
      const scores = criterionFor(name)!.score({ group: alone, seed: 1, statistics });
      expect(new Set(scores).size).toBe(8);
    }
  });
});
