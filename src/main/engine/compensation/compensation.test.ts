import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { difference, prepare, runOnce, type Prepared, choose } from '../../../../test/support/prune.ts';
import { residualChain } from '../../../../test/support/residual-chain.ts';
import { GraphBuilder } from '../autodiff/builder.ts';
import type { Executor, HostTensor } from '../executor.ts';
import { cloneModel } from '../ir/clone.ts';
import { DType, Model, f32, int, ints, toFloat32, type Attribute, type Node, type Value } from '../ir/index.ts';
import { extractSubgraph } from '../passes/extract.ts';
import { seededRandom } from '../random.ts';
import type { Cut } from '../structures/choices.ts';
import { applyPlan, type Surgery } from '../structures/apply.ts';
import { lookAtAll } from './dense.ts';
import { refit } from './least-squares.ts';
import { regressionOf, type Regression } from './regression.ts';
import { compensate, type CompensationOptions, type Fitted } from './sequential.ts';
import { ActivationCache } from './activation-cache.ts';
import { Targets } from './targets.ts';

/** Numbers with a few dominant directions, like activations. */
function samples(dims: number[], seed: number): HostTensor {
  const r = seededRandom(seed);
  const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => r.normal());
  return { dtype: DType.FLOAT, dims, data };
}
const feeds = (count: number, n = 16, seed = 1, dims = [3, 8, 8]): Record<string, HostTensor>[] =>
  Array.from({ length: count }, (_, i) => ({ x: samples([n, ...dims], seed * 100 + i) }));
const nodeNamed = (m: Model, name: string): Node => [...m.graph.nodes()].find((n) => n.name === name)!;

/** The runtime with a session counter. */
function counting(): { executor: Executor; opened: () => number } {
  let opened = 0;
  return { executor: { open: (m, o) => (opened++, plainExecutor.open(m, o)) }, opened: () => opened };
}

describe('values of a model on demand', () => {
  it('are those of a plain run, in any order', async () => {
    const model = residualChain();
    const batches = feeds(2, 3);
    const stream = new ActivationCache(plainExecutor, model, batches, 1);
    const values = [...model.graph.nodes()].flatMap((n) => n.outputs);
    seededRandom(4).shuffle(values);
    for (const v of values) {
      const [got] = await stream.get(v);
      for (const [i, f] of batches.entries()) {
        const want = await runOnce(extractSubgraph(model, [model.graph.inputs[0]!], [v]), f);
        expect(difference({ v: Object.values(want)[0]! }, { v: got![i]! })).toBeLessThan(1e-5);
      }
    }
  });

  it('are computed once, let go of, and computed again', async () => {
    const model = residualChain();
    const { executor, opened } = counting();
    const stream = new ActivationCache(executor, model, feeds(1, 2), 1);
    const [a0, b0, fc] = ['a0', 'b0', 'fc'].map((n) => nodeNamed(model, n));
    const first = (await stream.get(a0!.output(), b0!.output()))[1]![0]!;
    expect(opened()).toBe(1);
    await stream.get(b0!.output(), a0!.output());
    expect(opened()).toBe(1);
    // Weights change: the cached value stays until it is forgotten, which also drops all values computed from it.
    const w = a0!.input(1)!;
    w.initializer = f32(toFloat32(w.initializer!).map((x) => -x), w.initializer!.dims); // prettier-ignore
    expect((await stream.get(b0!.output()))[0]![0]).toBe(first);
    stream.forget(a0!.output());
    const second = (await stream.get(b0!.output()))[0]![0]!;
    expect(difference({ v: first }, { v: second })).toBeGreaterThan(0.01);
    expect(difference({ v: (await new ActivationCache(executor, model, feeds(1, 2), 1).get(b0!.output()))[0]![0]! }, { v: second })).toBeLessThan(1e-6); // prettier-ignore
    // Values needed to compute later sums stay, as long as those sums are not cached themselves.
    stream.passed(fc!);
    const held = opened();
    await stream.get(b0!.output());
    expect(opened()).toBe(held);
    await stream.get(fc!.input(0)!);
    const before = opened();
    stream.passed(fc!);
    await stream.get(b0!.output());
    expect(opened()).toBe(before + 1);
    // The model's inputs are never dropped.
    expect((await stream.get(model.graph.inputs[0]!))[0]).toHaveLength(1);
  });
});

describe('a regression', () => {
  /** One operator on x, with weights to be fitted. */
  function single(
    opType: string,
    x: number[],
    w: number[],
    attributes: Record<string, Attribute>,
  ): { node: Node; model: Model } {
    const model = new Model();
    model.opsets.set('', 17);
    const input = model.graph.addInput('x', { elemType: DType.FLOAT, shape: x });
    const weight = model.graph.addInitializer('w', f32(samples(w, 5).data as Float32Array, w));
    const out = model.graph.emit(opType, [input, weight], {
      attributes: Object.entries(attributes),
      outputName: 'y',
    })[0]!;
    out.type = { elemType: DType.FLOAT };
    model.graph.outputs.push(out);
    return { node: out.producer!, model };
  }
  const setup: Record<string, [string, number[], number[], Record<string, Attribute>, rows: number]> = {
    'of a convolution': ['Conv', [8, 4, 6, 5], [5, 4, 3, 3], { pads: ints([1, 1, 1, 1]) }, 5],
    'of a convolution with strides and uneven pads': ['Conv', [12, 3, 9, 8], [4, 3, 3, 2], { strides: ints([2, 1]), pads: ints([0, 1, 2, 0]) }, 4], // prettier-ignore
    'of a 1x1 convolution with strides': ['Conv', [8, 6, 8, 8], [3, 6, 1, 1], { strides: ints([2, 2]) }, 3],
    'of a dilated convolution': ['Conv', [8, 3, 9, 9], [4, 3, 3, 3], { dilations: ints([2, 2]), pads: ints([2, 2, 2, 2]) }, 4], // prettier-ignore
    'of a depthwise convolution': ['Conv', [8, 4, 6, 6], [4, 1, 3, 3], { group: int(4), pads: ints([1, 1, 1, 1]) }, 4],
    'of a grouped convolution with strides': ['Conv', [12, 6, 8, 7], [4, 3, 3, 3], { group: int(2), strides: ints([2, 1]) }, 4], // prettier-ignore
    'of a Gemm': ['Gemm', [64, 7], [7, 5], {}, 5],
    'of a Gemm with transB': ['Gemm', [64, 7], [5, 7], { transB: int(1) }, 5],
  };
  it.each(Object.keys(setup))(
    '%s finds weights and bias where there are any, with a base and for a part of the channels',
    async (name) => {
      const [opType, x, w, attributes, rows] = setup[name]!;
      const { node, model } = single(opType, x, w, attributes);
      const r = regressionOf(node) as Regression;
      expect(r).toMatchObject({ rows, columns: w.reduce((a, b) => a * b, 1) / rows });
      const truth = toFloat32(node.input(1)!.initializer!).slice();
      const batches = [1, 2].map((s) => samples(x, s));
      const target: HostTensor[] = [];
      const base: HostTensor[] = [];
      const kept = Array.from({ length: rows }, (_, i) => 2 * i + 1);
      for (const [i, b] of batches.entries()) {
        const y = (await runOnce(model, { x: b }))['y']!;
        const own = samples([...y.dims], 30 + i);
        base.push(own);
        // Twice as many channels as outputs: the odd ones are the target, and each has an offset.
        const dims = y.dims.map((d, axis) => (axis === 1 ? 2 * rows : d));
        const inner = y.dims.slice(2).reduce((a, d) => a * d, 1);
        const data = new Float32Array(2 * y.data.length);
        for (let k = 0; k < y.data.length; k++) {
          const c = Math.floor(k / inner) % rows;
          const n = Math.floor(k / (inner * rows));
          data[(n * 2 * rows + kept[c]!) * inner + (k % inner)] = (y.data as Float32Array)[k]! + (own.data as Float32Array)[k]! + c; // prettier-ignore
        }
        target.push({ dtype: DType.FLOAT, dims, data });
      }
      node.input(1)!.initializer = f32(samples(w, 77).data as Float32Array, w);
      const { error } = await refit(plainExecutor, r, { x: batches, target, kept, base }, { threads: 1, ridge: 1e-10, activation: null }); // prettier-ignore
      expect(error).toBeLessThan(1e-6);
      toFloat32(node.input(1)!.initializer!).forEach((v, i) => expect(v).toBeCloseTo(truth[i]!, 3));
      expect(node.input(1)!.initializer!.dims).toEqual(w);
      toFloat32(node.input(2)!.initializer!).forEach((v, c) => expect(v).toBeCloseTo(c, 3));
    },
  );

  it('of a MatMul finds its weights and the vector that is added behind it, for a part of the channels', async () => {
    const { node, model } = single('MatMul', [4, 9, 6], [6, 5], {});
    const { graph } = model;
    const vector = graph.addInitializer('b', f32([1, 2, 3, 4, 5], [5]));
    const [sum] = graph.emit('Add', [node.output(), vector], { outputName: 'z' });
    sum!.type = { elemType: DType.FLOAT };
    graph.outputs[0] = sum!;
    const truth = toFloat32(node.input(1)!.initializer!).slice();
    const x = [samples([4, 9, 6], 1), samples([4, 9, 6], 2)];
    const target: HostTensor[] = [];
    for (const b of x) {
      const z = (await runOnce(model, { x: b }))['z']!;
      // Two more channels in front, which are not part of the target.
      const data = Float32Array.from({ length: 4 * 9 * 7 }, (_, i) => (i % 7 < 2 ? 9 : Number(z.data[Math.floor(i / 7) * 5 + (i % 7) - 2]))); // prettier-ignore
      target.push({ dtype: DType.FLOAT, dims: [4, 9, 7], data });
    }
    node.input(1)!.initializer = f32(samples([6, 5], 77).data as Float32Array, [6, 5]);
    vector.initializer = f32([0, 0, 0, 0, 0], [5]);
    const r = regressionOf(node) as Regression;
    expect(r).toMatchObject({ rows: 5, columns: 6, axis: -1, out: sum });
    const { error } = await refit(plainExecutor, r, { x, target, kept: [2, 3, 4, 5, 6], base: null }, { threads: 1, ridge: 1e-10, activation: null }); // prettier-ignore
    expect(error).toBeLessThan(1e-6);
    toFloat32(node.input(1)!.initializer!).forEach((v, i) => expect(v).toBeCloseTo(truth[i]!, 3));
    const added = sum!.producer!.inputs.find((v) => v!.isInitializer)!;
    toFloat32(added.initializer!).forEach((v, i) => expect(v).toBeCloseTo(i + 1, 3));
  });

  it('of a MatMul that nothing is added to goes through the origin', async () => {
    const { node, model } = single('MatMul', [4, 9, 6], [6, 5], {});
    const r = regressionOf(node) as Regression;
    expect(r).toMatchObject({ affine: false, out: node.output(), rows: 5, columns: 6 });
    const truth = toFloat32(node.input(1)!.initializer!).slice();
    // Inputs far from zero, which a bias would otherwise absorb.
    const x = [1, 2].map((s) => {
      const t = samples([4, 9, 6], s);
      return { ...t, data: (t.data as Float32Array).map((v) => v + 3) };
    });
    const target = await Promise.all(x.map(async (f) => (await runOnce(model, { x: f }))['y']!));
    node.input(1)!.initializer = f32(samples([6, 5], 77).data as Float32Array, [6, 5]);
    const { error } = await refit(plainExecutor, r, { x, target, kept: null, base: null }, { threads: 1, ridge: 1e-10, activation: null }); // prettier-ignore
    expect(error).toBeLessThan(1e-6);
    toFloat32(node.input(1)!.initializer!).forEach((v, i) => expect(v).toBeCloseTo(truth[i]!, 3));
    expect(model.graph.outputs[0]).toBe(node.output());
  });

  it.each([[[8, 5, 1, 1]], [[5, 1, 1]]])(
    'looks at some positions of a sum whose base %j is broadcast',
    async (base) => {
      const { node, model } = single('Conv', [8, 4, 12, 12], [5, 4, 1, 1], {});
      const truth = toFloat32(node.input(1)!.initializer!).slice();
      const x = samples([8, 4, 12, 12], 1);
      const added = samples(base, 2);
      const y = (await runOnce(model, { x }))['y']!;
      // Every third of 12 positions along either axis.
      const target = samples([8, 5, 4, 4], 3);
      const of = (i: number): number => Math.floor(i / 16);
      (target.data as Float32Array).forEach((_, i) => {
        const from = of(i) * 144 + Math.floor((i % 16) / 4) * 36 + (i % 4) * 3;
        const b = base.length === 4 ? of(i) : of(i) % 5;
        (target.data as Float32Array)[i] = (y.data as Float32Array)[from]! + (added.data as Float32Array)[b]!;
      });
      node.input(1)!.initializer = f32(samples([5, 4, 1, 1], 77).data as Float32Array, [5, 4, 1, 1]);
      for (const activation of [null, 'relu'] as const) {
        const r = regressionOf(node) as Regression;
        const { error } = await refit(plainExecutor, r, { x: [x], target: [target], kept: null, base: [added] }, { threads: 1, ridge: 1e-10, activation, every: 3 }); // prettier-ignore
        expect(error).toBeLessThan(1e-6);
        toFloat32(node.input(1)!.initializer!).forEach((v, i) => expect(v).toBeCloseTo(truth[i]!, 3));
      }
    },
  );

  it('of many outputs is solved in the runtime, to the same precision', async () => {
    const { node, model } = single('Gemm', [1200, 200], [200, 600], {});
    const truth = toFloat32(node.input(1)!.initializer!).slice();
    const x = [samples([1200, 200], 1)];
    const target = [(await runOnce(model, { x: x[0]! }))['y']!];
    node.input(1)!.initializer = f32(samples([200, 600], 77).data as Float32Array, [200, 600]);
    const { executor, opened } = counting();
    const { error } = await refit(executor, regressionOf(node) as Regression, { x, target, kept: null, base: null }, { threads: 1, ridge: 1e-9, activation: null }); // prettier-ignore
    expect(opened()).toBe(2);
    expect(error).toBeLessThan(1e-6);
    const found = toFloat32(node.input(1)!.initializer!);
    expect(Math.max(...truth.map((v, i) => Math.abs(v - found[i]!)))).toBeLessThan(1e-3);
  });

  it('stays near the present weights where the samples say nothing', async () => {
    const { node, model } = single('Gemm', [4, 32], [32, 3], {});
    const truth = toFloat32(node.input(1)!.initializer!).slice();
    const x = [samples([4, 32], 1)];
    const target = [(await runOnce(model, { x: x[0]! }))['y']!];
    const r = regressionOf(node) as Regression;
    expect((await refit(plainExecutor, r, { x, target, kept: null, base: null }, { threads: 1, ridge: 1e-4, activation: null })).error).toBeLessThan(1e-5); // prettier-ignore
    toFloat32(node.input(1)!.initializer!).forEach((v, i) => expect(v).toBeCloseTo(truth[i]!, 1));
  });

  it('says what it cannot do', () => {
    expect(regressionOf(single('Gemm', [2, 4], [4, 3], { alpha: { kind: 'float', value: 0.5 } }).node)).toMatch(
      /scaled/,
    );
    const { node, model } = single('Gemm', [2, 3], [3, 3], {});
    model.graph.emit('Gemm', [node.output(), node.input(1)]);
    expect(regressionOf(node)).toMatch(/shared/);
  });
});

interface Result {
  readonly surgery: Surgery;
  readonly fits: Fitted[];
  /**
   * Mean squared error of the outputs relative to the original's power, on other samples: without and with
   * compensation.
   */
  readonly before: number;
  readonly after: number;
}

async function run(
  p: Prepared,
  plan: Cut,
  options: Partial<CompensationOptions> = {},
  n = 8,
  dims = [3, 8, 8],
): Promise<Result> {
  const cut = (): Surgery => applyPlan(p, plan);
  const surgery = cut();
  const fits = await compensate(plainExecutor, p, surgery, feeds(n, 16, 1, dims), { threads: 1, kind: 'least-squares', ...options }); // prettier-ignore
  const error = async (m: Model): Promise<number> => {
    let [e, power] = [0, 0];
    for (const f of feeds(2, 32, 9, dims)) {
      const a = Object.values(await runOnce(p.model, f))[0]!.data as Float32Array;
      const b = Object.values(await runOnce(m, f))[0]!.data as Float32Array;
      a.forEach((v, i) => ((e += (v - b[i]!) ** 2), (power += v * v)));
    }
    return e / power;
  };
  return { surgery, fits, before: await error(cut().model), after: await error(surgery.model) };
}
const weightsOf = (m: Model): string =>
  JSON.stringify([...m.graph.initializers].map((v) => [...toFloat32(v.initializer!)]));

describe('sequential compensation', () => {
  it('lowers the error of a pruned residual network', async () => {
    const p = await prepare(residualChain({ blocks: 2, width: 8 }));
    const plan = choose(p, { a0: [1, 4, 6], a1: [0, 2] }); // prettier-ignore
    const r = await run(p, plan);
    expect(r.before).toBeGreaterThan(0.001);
    expect(r.after).toBeLessThan(0.5 * r.before);
    expect(r.fits.map((f) => [f.node, f.how])).toEqual(['b0', 'a1', 'b1', 'fc'].map((n) => [n, 'least-squares']));
    for (const f of r.fits) expect(f.error).toBeLessThan(0.5);
    const bias = await run(p, plan, { kind: 'bias' });
    expect(bias.after).toBeLessThan(bias.before);
    expect(r.after).toBeLessThan(bias.after);
    expect(new Set(bias.fits.map((f) => f.how))).toEqual(new Set(['bias']));
    // Every Gram matrix exceeds the limit: same result as with biases only.
    const wide = await run(p, plan, { maxColumns: 4 });
    expect(wide.after).toBeCloseTo(bias.after, 6);
  });

  it('does so when the residual stream itself is narrowed', async () => {
    const p = await prepare(residualChain({ blocks: 2, width: 8 }));
    const r = await run(p, choose(p, { stem: [2, 5] }));
    expect(r.after).toBeLessThan(0.7 * r.before);
    expect(r.fits.map((f) => f.node)).toEqual(['a0', 'b0', 'a1', 'b1', 'fc']);
  });

  it('is the same with what the original makes looked at in one pass beforehand', async () => {
    const p = await prepare(residualChain({ blocks: 2, width: 8 }));
    const plan = choose(p, { a0: [1, 4, 6], stem: [2] }); // prettier-ignore
    const batches = feeds(8);
    const looked = await lookAtAll(plainExecutor, p, batches, 1, 1e9);
    expect([...looked!.keys()]).toHaveLength(6);
    const { executor, opened } = counting();
    const fitted = async (known?: typeof looked): Promise<[Model, number]> => {
      const surgery = applyPlan(p, plan);
      const before = opened();
      await compensate(executor, p, surgery, batches, { threads: 1, kind: 'least-squares', ...(known && { looked: known }) }); // prettier-ignore
      return [surgery.model, opened() - before];
    };
    const [plain, many] = await fitted();
    const [quick, few] = await fitted(looked);
    expect(few).toBeLessThan(many);
    const values = (m: Model): number[] => [...m.graph.initializers].flatMap((v) => [...toFloat32(v.initializer!)]);
    values(plain).forEach((v, i) => expect(values(quick)[i]).toBeCloseTo(v, 4));
    // Values above the memory limit are computed on demand, as are those whose sizes differ from the facts.
    expect(await lookAtAll(plainExecutor, p, batches, 1, 1000)).toBeNull();
    expect(await lookAtAll(plainExecutor, p, feeds(1, 4, 1, [3, 12, 12]), 1, 1e9)).toBeNull();
  });

  it('does nothing to a model that nothing was cut from', async () => {
    const p = await prepare(residualChain());
    const before = weightsOf(cloneModel(p.model).model);
    const r = await run(p, choose(p, {}), {}, 1);
    expect(r.fits).toEqual([]);
    expect(weightsOf(r.surgery.model)).toBe(before);
    expect(r.after).toBe(0);
  });

  it('lets what is in front of a dropped block stand for what came out of it', async () => {
    const p = await prepare(residualChain({ blocks: 3 }));
    const [b0, b1, b2] = p.blocks;
    const targetsOf = (ids: string[]): Targets => {
      const surgery = applyPlan(p, choose(p, {}, ids));
      const targets = new Targets(surgery);
      return Object.assign(targets, { surgery });
    };
    const target = (ids: string[], name: string): Value => {
      const t = targetsOf(ids) as Targets & { surgery: Surgery };
      return t.readout(nodeNamed(t.surgery.model, name).output(), () => 1)!.target;
    };
    expect(target([], 'stem')).toBe(nodeNamed(p.model, 'stem').output());
    expect(target([b0!.id], 'stem')).toBe(b0!.add.output());
    expect(target([b0!.id, b1!.id], 'stem')).toBe(b1!.add.output());
    expect(target([b1!.id], 'b0')).toBe(b1!.add.output());
    expect(target([b1!.id], 'a0')).toBe(nodeNamed(p.model, 'a0').output());
    expect(target([b1!.id, b2!.id], 'b0')).toBe(b2!.add.output());
    for (const ids of [[b0!.id], [b1!.id], [b0!.id, b1!.id], [b0!.id, b2!.id]]) {
      const r = await run(p, choose(p, {}, ids));
      expect(r.after, ids.join()).toBeLessThan(0.8 * r.before);
    }
  });

  it('handles a Gemm behind Flatten', async () => {
    const p = await prepare(residualChain({ blocks: 1, width: 4, flat: true }));
    const r = await run(p, choose(p, { stem: [1] }), {}, 200);
    expect(r.fits.at(-1)).toMatchObject({ node: 'fc', how: 'least-squares' });
    expect(r.after).toBeLessThan(r.before);
  });

  /** x -> first (3x3, named) -> Relu -> `middle` -> pooled -> fc. */
  function around(middle: (b: GraphBuilder, x: Value, w: (dims: number[]) => Value) => Value): Model {
    const model = new Model();
    model.opsets.set('', 17);
    const b = new GraphBuilder(model.graph, 17);
    let seed = 40;
    const w = (dims: number[]): Value =>
      b.tensor(f32((samples(dims, seed++).data as Float32Array).map((x) => x * 0.4), dims), 'w'); // prettier-ignore
    const x = model.graph.addInput('x', { elemType: DType.FLOAT, shape: ['N', 3, 8, 8] });
    const first = model.graph.emit('Conv', [x, w([8, 3, 3, 3])], { name: 'first' })[0]!;
    const pooled = b.op('Flatten', [b.op('GlobalAveragePool', [middle(b, b.relu(first), w)])]);
    const y = model.graph.emit('Gemm', [pooled, w([8, 4])], { name: 'fc', outputName: 'y' })[0]!;
    y.type = { elemType: DType.FLOAT, shape: ['N', 4] };
    model.graph.outputs.push(y);
    return model;
  }
  const named = (b: GraphBuilder, name: string, inputs: Value[], attributes: Record<string, Attribute> = {}): Value =>
    b.graph.emit('Conv', inputs, { name, attributes: Object.entries(attributes) })[0]!;

  it('refits a depthwise convolution channel by channel', async () => {
    const p = await prepare(
      around((b, x, w) => {
        const mixed = b.relu(named(b, 'mix', [x, w([8, 8, 1, 1])]));
        return b.relu(named(b, 'depthwise', [mixed, w([8, 1, 3, 3])], { group: int(8) }));
      }),
    );
    const r = await run(p, choose(p, { first: [0, 3, 6] }));
    expect(r.fits.map((f) => [f.node, f.how])).toEqual([
      ['mix', 'least-squares'],
      ['depthwise', 'least-squares'],
      ['fc', 'least-squares'],
    ]);
    expect(r.after).toBeLessThan(r.before);
    const bias = await run(p, choose(p, { first: [0, 3, 6] }), { kind: 'bias' });
    // The classifier reads only means, which biases restore as well, so the layer itself is compared.
    const left = async (m: Model): Promise<number> => {
      let [e, power] = [0, 0];
      for (const f of feeds(4)) {
        const [want, have] = await Promise.all(
          [p.model, m].map(async (from) => {
            const out = nodeNamed(from, 'depthwise').output().consumers()[0]!.output();
            return Object.values(await runOnce(extractSubgraph(from, [from.graph.inputs[0]!], [out]), f))[0]!
              .data as Float32Array;
          }),
        );
        want!.forEach((v, i) => ((e += (v - have![i]!) ** 2), (power += v * v)));
      }
      return e / power;
    };
    expect(await left(r.surgery.model)).toBeLessThan(await left(bias.surgery.model));
  });

  it('leaves weights alone that two operators share', async () => {
    const p = await prepare(
      around((b, x, w) => {
        const shared = w([8, 8, 1, 1]);
        const mixed = b.relu(named(b, 'mix', [x, w([8, 8, 1, 1])]));
        return b.relu(named(b, 'second', [b.relu(named(b, 'once', [mixed, shared])), shared]));
      }),
    );
    const r = await run(p, choose(p, { first: [0, 3, 6] }));
    expect(r.fits.filter((f) => f.how === 'bias').map((f) => f.node)).toEqual(['once', 'second']);
    const [a, b] = ['once', 'second'].map((n) => nodeNamed(r.surgery.model, n));
    expect(a!.input(1)).toBe(b!.input(1));
    expect(a!.input(2)).not.toBe(b!.input(2));
    expect(toFloat32(a!.input(1)!.initializer!)).toEqual(toFloat32(nodeNamed(p.model, 'once').input(1)!.initializer!));
    expect(r.after).toBeLessThan(r.before);
  });

  it('sees that a shortcut later in the order has changed when the sum is read', async () => {
    const p = await prepare(
      around((b, x, w) => {
        const pads = { pads: ints([1, 1, 1, 1]) };
        const branch = named(
          b,
          'branch',
          [b.relu(named(b, 'inner', [x, w([8, 8, 3, 3])], pads)), w([8, 8, 3, 3])],
          pads,
        );
        const shortcut = named(b, 'shortcut', [x, w([8, 8, 1, 1])]);
        const sum = b.relu(b.add(branch, shortcut));
        return b.relu(named(b, 'last', [sum, w([8, 8, 1, 1])]));
      }),
    );
    const r = await run(p, choose(p, { first: [0, 3, 6] }));
    expect(r.fits.map((f) => f.node)).toEqual(['inner', 'branch', 'shortcut', 'last', 'fc']);
    expect(r.after).toBeLessThan(0.7 * r.before);
    // The reported error of the last fit equals the actual error: the fit used the present values.
    const fresh = new ActivationCache(plainExecutor, r.surgery.model, feeds(8), 1);
    const whole = new ActivationCache(plainExecutor, p.model, feeds(8), 1);
    const [have] = await fresh.get(r.surgery.model.graph.outputs[0]!);
    const [want] = await whole.get(p.model.graph.outputs[0]!);
    let [e, power] = [0, 0];
    for (const [i, t] of want!.entries())
      (t.data as Float32Array).forEach((v, k) => ((e += (v - (have![i]!.data as Float32Array)[k]!) ** 2), (power += v * v))); // prettier-ignore
    expect(r.fits.at(-1)!.error).toBeCloseTo(e / power, 6);
  });
});
