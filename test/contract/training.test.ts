/**
 * Compares the emitted training steps, run by the runtime, with the same arithmetic written out
 * here.
 */
import { describe, expect, it } from 'vitest';
import {
  buildTrainStep,
  crossEntropy,
  distillation,
  Trainer,
  writeParameters,
  type AdamWOptions,
  type SgdOptions,
  type TrainStepOptions,
} from '../../src/main/engine/autodiff/index.ts';
import { GraphBuilder } from '../../src/main/engine/autodiff/builder.ts';
import { meanSquaredError } from '../support/losses.ts';
import type { HostTensor } from '../../src/main/engine/executor.ts';
import { float, int, ints } from '../../src/main/engine/ir/attribute.ts';
import { DType, elementCount } from '../../src/main/engine/ir/dtype.ts';
import { Model } from '../../src/main/engine/ir/model.ts';
import { anchorDistance, anchorLoss, type AnchorLayout } from '../../src/main/engine/heads/support/anchors.ts';
import { f32, toFloat32 } from '../../src/main/engine/ir/tensor.ts';
import type { Value } from '../../src/main/engine/ir/value.ts';
import { collectFacts } from '../../src/main/runtime/facts.ts';
import { random } from '../support/example-model.ts';
import { plainExecutor } from '../support/executor.ts';

const rand = random(5);
const uniform = (n: number): Float32Array => Float32Array.from({ length: n }, () => rand() * 2 - 1);
const host = (data: Float32Array, dims: readonly number[]): HostTensor => ({ dtype: DType.FLOAT, dims, data });
const ints64 = (x: readonly number[]): HostTensor => ({
  dtype: DType.INT64,
  dims: [x.length],
  data: BigInt64Array.from(x, BigInt),
});

interface Net {
  readonly model: Model;
  readonly b: GraphBuilder;
  readonly params: Value[];
  param(name: string, dims: readonly number[], data?: Float32Array): Value;
}
function net(opset: number): Net {
  const model = new Model();
  model.opsets.set('', opset);
  const b = new GraphBuilder(model.graph, opset);
  const params: Value[] = [];
  return {
    model,
    b,
    params,
    param(name, dims, data = uniform(elementCount(dims))) {
      const v = model.graph.addInitializer(name, f32(data, dims));
      params.push(v);
      return v;
    },
  };
}

/** x [B,3] to x W + bias [B,2]. */
function linear(): Net {
  const n = net(17);
  const x = n.model.graph.addInput('x', { elemType: DType.FLOAT, shape: ['batch', 3] });
  n.model.graph.outputs.push(n.b.op('Gemm', [x, n.param('w', [3, 2]), n.param('bias', [2])]));
  return n;
}

const open = async (n: Net, o: Omit<TrainStepOptions, 'facts' | 'params'>, batch: number): Promise<Trainer> => {
  const facts = await collectFacts(n.model, plainExecutor, { batch });
  return Trainer.open(plainExecutor, buildTrainStep(n.model, { ...o, facts: (v) => facts.get(v), params: n.params }));
};

describe('optimisers', () => {
  const x = uniform(12);
  const target = uniform(8);
  /** Loss and gradients of the mean squared error of the linear model, computed by hand. */
  const byHand = (w: Float64Array, bias: Float64Array): { loss: number; grad: Float64Array } => {
    const grad = new Float64Array(8);
    let loss = 0;
    for (let r = 0; r < 4; r++)
      for (let c = 0; c < 2; c++) {
        let y = bias[c]!;
        for (let k = 0; k < 3; k++) y += x[r * 3 + k]! * w[k * 2 + c]!;
        const d = y - target[r * 2 + c]!;
        loss += (d * d) / 8;
        for (let k = 0; k < 3; k++) grad[k * 2 + c]! += (d * x[r * 3 + k]!) / 4;
        grad[6 + c]! += d / 4;
      }
    return { loss, grad };
  };
  const cases: [string, AdamWOptions | SgdOptions, number | undefined][] = [
    ['SGD', { kind: 'sgd', momentum: 0 }, undefined],
    ['SGD with momentum and decay', { kind: 'sgd', momentum: 0.9, weightDecay: 0.1 }, undefined],
    ['SGD with Nesterov momentum, clipped', { kind: 'sgd', momentum: 0.8, nesterov: true }, 0.1],
    ['AdamW', { kind: 'adamw', weightDecay: 0.1 }, undefined],
    ['AdamW, clipped', { kind: 'adamw', weightDecay: 0, beta1: 0.8 }, 0.05],
  ];
  it.each(cases)('%s takes the steps its formula says', async (_name, optimizer, clipNorm) => {
    const n = linear();
    const trainer = await open(
      n,
      {
        optimizer,
        ema: 0.5,
        ...(clipNorm === undefined ? {} : { clipNorm }),
        loss: (c) => meanSquaredError(c.b, c.outputs[0]!, c.input('target', DType.FLOAT, [4, 2]), [4, 2]),
      },
      4,
    );
    const p = Float64Array.from(n.params.flatMap((v) => [...toFloat32(v.initializer!)]));
    const [m, v, average] = [new Float64Array(8), new Float64Array(8), p.slice()];
    for (let t = 1; t <= 5; t++) {
      const lr = 0.1 / t;
      const { loss, grad } = byHand(p.slice(0, 6), p.slice(6));
      const norm = Math.hypot(...grad);
      const scale = clipNorm === undefined ? 1 : Math.min(1, clipNorm / norm);
      const got = await trainer.step({ x: host(x, [4, 3]), target: host(target, [4, 2]) }, lr);
      expect(got.loss).toBeCloseTo(loss, 5);
      if (clipNorm !== undefined) expect(got.gradNorm).toBeCloseTo(norm, 5);
      for (let i = 0; i < 8; i++) {
        const decay = i < 6 ? (optimizer.weightDecay ?? 0) : 0;
        let g = grad[i]! * scale;
        if (optimizer.kind === 'adamw') {
          const b1 = optimizer.beta1 ?? 0.9;
          m[i] = b1 * m[i]! + (1 - b1) * g;
          v[i] = 0.999 * v[i]! + 0.001 * g * g;
          p[i]! -= lr * decay * p[i]!;
          p[i]! -= (lr * m[i]!) / (1 - b1 ** t) / (Math.sqrt(v[i]! / (1 - 0.999 ** t)) + 1e-8);
        } else {
          g += decay * p[i]!;
          m[i] = optimizer.momentum! * m[i]! + g;
          p[i]! -= lr * (optimizer.nesterov ? g + optimizer.momentum! * m[i]! : m[i]!);
        }
        average[i] = (average[i]! + p[i]!) / 2;
      }
    }
    const near = (which: 'current' | 'average', want: Float64Array): void => {
      const got = trainer.parameters(which);
      const flat = n.params.flatMap((q) => [...got.get(q.name)!]);
      flat.forEach((g, i) => expect(g).toBeCloseTo(want[i]!, 4));
    };
    near('current', p);
    near('average', average);
    await trainer.release();
  });
});

describe('losses', () => {
  const logits = uniform(6);
  const teacher = uniform(6);
  const softmax = (z: Float32Array, row: number, t: number): number[] => {
    const e = [...z.slice(row * 3, row * 3 + 3)].map((a) => Math.exp(a / t));
    return e.map((a) => a / (e[0]! + e[1]! + e[2]!));
  };
  const evaluate = async (
    loss: (b: GraphBuilder, z: Value, other: Value) => Value,
    other: HostTensor,
  ): Promise<number> => {
    const { model, b } = net(17);
    const z = model.graph.addInput('z', { elemType: DType.FLOAT, shape: [2, 3] });
    const o = model.graph.addInput('o', { elemType: other.dtype, shape: other.dims });
    const y = loss(b, z, o);
    model.graph.outputs.push(y);
    const s = await plainExecutor.open(model);
    const out = await s.run({ z: host(logits, [2, 3]), o: other });
    await s.release();
    return Number(out[y.name]!.data[0]);
  };

  it('cross-entropy with labels, smoothed or not', async () => {
    for (const smoothing of [0, 0.3]) {
      const got = await evaluate((b, z, o) => crossEntropy(b, z, o, [2, 3], smoothing), ints64([2, 0]));
      let want = 0;
      [2, 0].forEach((label, row) =>
        softmax(logits, row, 1).forEach((p, c) => {
          want -= ((c === label ? 1 - smoothing : 0) + smoothing / 3) * Math.log(p) * 0.5;
        }),
      );
      expect(got).toBeCloseTo(want, 5);
    }
  });
  it('distillation is T^2 KL, and zero between equals', async () => {
    const got = await evaluate((b, z, o) => distillation(b, z, o, [2, 3], 4), host(teacher, [2, 3]));
    let want = 0;
    for (let r = 0; r < 2; r++) {
      const [p, q] = [softmax(teacher, r, 4), softmax(logits, r, 4)];
      p.forEach((x, c) => (want += 8 * x * Math.log(x / q[c]!)));
    }
    expect(got).toBeCloseTo(want, 5);
    const self = await evaluate((b, z, o) => distillation(b, z, o, [2, 3], 4), host(logits, [2, 3]));
    expect(self).toBeCloseTo(0, 5);
  });
});

describe('the loss of a detector', () => {
  const shapes: [AnchorLayout, number[]][] = [
    [{ kind: 'anchors', output: 'y', grid: null }, [2, 7, 8]],
    [{ kind: 'anchor-free', output: 'y' }, [2, 7, 9]],
  ];
  it.each(shapes)('is the distance that plans are judged by: %j', async (layout, dims) => {
    const values = (): HostTensor =>
      host(
        uniform(elementCount(dims)).map((x) => Math.abs(x)),
        dims,
      );
    const { model, b } = net(17);
    const [y, t] = ['y', 't'].map((name) => model.graph.addInput(name, { elemType: DType.FLOAT, shape: dims }));
    const loss = anchorLoss(b, y!, t!, dims, layout.kind === 'anchor-free');
    model.graph.outputs.push(loss);
    const feeds = { y: values(), t: values() };
    const s = await plainExecutor.open(model);
    const out = await s.run(feeds);
    const same = await s.run({ y: feeds.t, t: feeds.t });
    await s.release();
    const want = anchorDistance(feeds.t, layout);
    expect(want(feeds.y)).toBeGreaterThan(0.1);
    expect(Number(out[loss.name]!.data[0])).toBeCloseTo(want(feeds.y), 5);
    expect(Number(same[loss.name]!.data[0])).toBe(0);
    expect(want(feeds.t)).toBe(0);
  });
});

describe('batch normalization trained with batch statistics', () => {
  /** conv - BN - relu - pool - linear: separates two textures with the same mean. */
  function textureNet(opset: number): Net {
    const n = net(opset);
    const { b, model } = n;
    const x = model.graph.addInput('x', { elemType: DType.FLOAT, shape: ['batch', 1, 6, 6] });
    const conv = b.op('Conv', [x, n.param('conv', [4, 1, 3, 3])], { pads: ints([1, 1, 1, 1]) });
    const scale = n.param('scale', [4], new Float32Array(4).fill(1));
    const shift = n.param('shift', [4], new Float32Array(4));
    const mean = model.graph.addInitializer('mean', f32(new Float32Array(4), [4]));
    const variance = model.graph.addInitializer('variance', f32(new Float32Array(4).fill(1), [4]));
    const bn = b.op('BatchNormalization', [conv, scale, shift, mean, variance]);
    const pooled = b.op('Flatten', [b.op('GlobalAveragePool', [b.relu(bn)])], { axis: int(1) });
    model.graph.outputs.push(b.op('Gemm', [pooled, n.param('w', [4, 2]), n.param('c', [2])]));
    return n;
  }
  const batch = (size: number): { x: HostTensor; labels: number[] } => {
    const data = new Float32Array(size * 36);
    const labels = Array.from({ length: size }, (_, i) => i % 2);
    labels.forEach((label, i) => {
      const phase = rand() < 0.5 ? 1 : -1;
      for (let k = 0; k < 36; k++) {
        const stripe = (label ? k % 2 : Math.floor(k / 6) % 2) ? 1 : -1;
        data[i * 36 + k] = 3 + phase * stripe + 0.5 * (rand() - 0.5);
      }
    });
    return { x: host(data, [size, 1, 6, 6]), labels };
  };

  it.each([
    ['short rows', [3, 1, 4, 5]],
    ['long rows', [2, 1, 24, 25]],
    ['no places', [6, 3]],
  ])('has the gradient of finite differences: %s', async (_name, dims) => {
    const n = net(13);
    const { b, model } = n;
    const x = model.graph.addInput('x', { elemType: DType.FLOAT, shape: dims });
    const c = dims.length === 2 ? 4 : 2;
    const before =
      dims.length === 2
        ? b.op('MatMul', [x, n.param('w', [3, c])])
        : b.op('Conv', [x, n.param('w', [c, 1, 3, 3])], { pads: ints([1, 1, 1, 1]) });
    const running = ['mean', 'variance'].map((k) =>
      model.graph.addInitializer(k, f32(new Float32Array(c).fill(1), [c])),
    );
    const inputs = [before, n.param('scale', [c]), n.param('shift', [c]), ...running];
    model.graph.outputs.push(b.op('BatchNormalization', inputs, { epsilon: float(0.01) }));
    const out = [dims[0]!, c, ...dims.slice(2)];
    const facts = await collectFacts(model, plainExecutor, {});
    const step = buildTrainStep(model, {
      facts: (v) => facts.get(v),
      params: n.params,
      optimizer: { kind: 'sgd', momentum: 0 },
      batchStatistics: { momentum: 0.9 },
      loss: (o) => meanSquaredError(o.b, o.outputs[0]!, o.input('target', DType.FLOAT, out), out),
    });
    const session = await plainExecutor.open(step.model);
    const feeds = { x: host(uniform(elementCount(dims)), dims), target: host(uniform(elementCount(out)), out) };
    const scalar = (v: number): HostTensor => host(Float32Array.of(v), []);
    const start = step.state.find((s) => s.kind === 'params')!;
    const run = async (params: Float32Array, rate: number): Promise<Record<string, HostTensor>> => {
      const state = step.state.map((s) => {
        const data = s === start ? params : s.initial;
        return [s.input, host(data, [data.length])];
      });
      return session.run({ ...feeds, ...Object.fromEntries(state), [step.lr]: scalar(rate), [step.step]: scalar(1) });
    };
    const loss = async (i: number, by: number): Promise<number> => {
      const moved = start.initial.slice();
      moved[i]! += by;
      return Number((await run(moved, 0))[step.loss]!.data[0]);
    };
    const after = (await run(start.initial, 1))[start.output]!.data;
    for (const [i, p] of start.initial.entries()) {
      const expected = ((await loss(i, 0.01)) - (await loss(i, -0.01))) / 0.02;
      expect(p - Number(after[i])).toBeCloseTo(expected, 3);
    }
    await session.release();
  });

  it.each([15, 11])('opset %i learns, and the model with running statistics agrees', async (opset) => {
    const n = textureNet(opset);
    const trainer = await open(
      n,
      {
        optimizer: { kind: 'adamw', weightDecay: 0 },
        batchStatistics: { momentum: 0.8 },
        loss: (c) => {
          c.extra('logits', c.outputs[0]!);
          return crossEntropy(c.b, c.outputs[0]!, c.input('labels', DType.INT64, [16]), [16, 2]);
        },
      },
      16,
    );
    let [first, last] = [0, 0];
    for (let i = 0; i < 80; i++) {
      const { x, labels } = batch(16);
      const { loss, extras } = await trainer.step({ x, labels: ints64(labels) }, 0.05);
      expect(extras.logits!.dims).toEqual([16, 2]);
      if (i === 0) first = loss;
      last = loss;
    }
    expect(last).toBeLessThan(0.2 * first);
    // Writes the trained values, including running statistics, to the inference model: other data,
    // same classes.
    writeParameters(n.model, trainer.parameters());
    await trainer.release();
    const session = await plainExecutor.open(n.model);
    const { x, labels } = batch(64);
    const y = (await session.run({ x }))[n.model.graph.outputs[0]!.name]!.data;
    await session.release();
    const right = labels.filter((label, i) => Number(y[i * 2 + 1]) > Number(y[i * 2]) === (label === 1)).length;
    expect(right).toBeGreaterThan(60);
    expect(
      trainer
        .parameters()
        .get('mean')!
        .some((m) => Math.abs(m) > 0.01),
    ).toBe(true);
  });
});
