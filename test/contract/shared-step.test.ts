/**
 * Compares training steps whose batch is split over sessions on threads with the same steps in one
 * session.
 */
import { describe, expect, it } from 'vitest';
import {
  buildTrainStep,
  Trainer,
  type TrainStep,
  type TrainStepOptions,
} from '../../src/main/engine/autodiff/index.ts';
import { GraphBuilder } from '../../src/main/engine/autodiff/builder.ts';
import { meanSquaredError } from '../support/losses.ts';
import { openShared } from '../../src/main/engine/autodiff/shared-step.ts';
import type { HostTensor } from '../../src/main/engine/executor.ts';
import { DType, elementCount } from '../../src/main/engine/ir/dtype.ts';
import { Model } from '../../src/main/engine/ir/model.ts';
import { f32 } from '../../src/main/engine/ir/tensor.ts';
import type { Value } from '../../src/main/engine/ir/value.ts';
import { collectFacts } from '../../src/main/runtime/facts.ts';
import { random } from '../support/example-model.ts';
import { plainExecutor, threadedExecutor } from '../support/executor.ts';

const rand = random(9);
const uniform = (dims: readonly number[]): HostTensor => ({
  dtype: DType.FLOAT,
  dims,
  data: Float32Array.from({ length: elementCount(dims) }, () => rand() * 2 - 1),
});
const rows = ({ dims, data, dtype }: HostTensor, from: number, to: number): HostTensor => {
  const per = data.length / dims[0]!;
  return { dtype, dims: [to - from, ...dims.slice(1)], data: (data as Float32Array).slice(from * per, to * per) };
};

/** x [B, 6] through a matrix, normalization and another matrix to y [B, 2]. */
function network(): { model: Model; params: Value[] } {
  const model = new Model();
  model.opsets.set('', 17);
  const b = new GraphBuilder(model.graph, 17);
  const params: Value[] = [];
  const constant = (name: string, dims: number[], data = uniform(dims).data as Float32Array): Value =>
    model.graph.addInitializer(name, f32(data, dims));
  const param = (name: string, dims: number[]): Value => {
    params.push(constant(name, dims));
    return params.at(-1)!;
  };
  const x = model.graph.addInput('x', { elemType: DType.FLOAT, shape: ['batch', 6] });
  const normalization = [
    param('scale', [4]),
    param('shift', [4]),
    constant('mean', [4], new Float32Array(4)),
    constant('variance', [4], new Float32Array(4).fill(1)),
  ];
  const inner = b.op('BatchNormalization', [b.op('Gemm', [x, param('w', [6, 4]), null]), ...normalization]);
  const y = b.op('Gemm', [b.relu(inner), param('v', [4, 2]), param('bias', [2])]);
  y.name = 'y';
  model.graph.outputs.push(y);
  return { model, params };
}

type Options = Partial<Pick<TrainStepOptions, 'optimizer' | 'batchStatistics' | 'clipNorm'>>;
async function stepFor(net: ReturnType<typeof network>, batch: number, o: Options = {}): Promise<TrainStep> {
  const facts = await collectFacts(net.model, plainExecutor, { batch });
  return buildTrainStep(net.model, {
    facts: (v) => facts.get(v),
    params: net.params,
    optimizer: { kind: 'sgd', momentum: 0.9 },
    ema: 0.5,
    ...o,
    loss: (c) => meanSquaredError(c.b, c.outputs[0]!, c.input('target', DType.FLOAT, [batch, 2]), [batch, 2]),
  });
}
function close(a: ReadonlyMap<string, Float32Array>, b: ReadonlyMap<string, Float32Array>): void {
  expect([...a.keys()]).toEqual([...b.keys()]);
  for (const [name, v] of a) v.forEach((w, i) => expect(w).toBeCloseTo(b.get(name)![i]!, 5));
}

const x = uniform([12, 6]);
const target = uniform([12, 2]);

describe('a batch that is shared out', () => {
  it.each([
    ['gradient descent', { optimizer: { kind: 'sgd', momentum: 0.9, weightDecay: 0.01 } }],
    ['AdamW, clipped', { optimizer: { kind: 'adamw', weightDecay: 0.1 }, clipNorm: 0.1 }],
    ['Muon', { optimizer: { kind: 'muon', weightDecay: 0.1 }, clipNorm: 5 }],
  ] as const)('takes the steps of the whole batch by %s', async (_, o) => {
    const net = network();
    const whole = await Trainer.open(plainExecutor, await stepFor(net, 12, o));
    const step = await stepFor(net, 4, o);
    const shared = new Trainer(await openShared(threadedExecutor, step, { shares: 3, threads: 3 }), step);
    for (let i = 1; i <= 4; i++) {
      const [a, b] = [await whole.step({ x, target }, 0.05 / i), await shared.step({ x, target }, 0.05 / i)];
      expect(b.loss).toBeCloseTo(a.loss, 5);
      if ('clipNorm' in o) expect(b.gradNorm).toBeCloseTo(a.gradNorm!, 4);
    }
    close(shared.parameters(), whole.parameters());
    close(shared.parameters('average'), whole.parameters('average'));
    expect(shared.count).toBe(4);
    await whole.release();
    await shared.release();
  });

  it('follows the mean of the statistics of its parts', async () => {
    const net = network();
    const o = { batchStatistics: { momentum: 0.8 } };
    const step = await stepFor(net, 6, o);
    const alone = await Promise.all(
      [0, 6].map(async (at) => {
        const trainer = await Trainer.open(plainExecutor, step);
        await trainer.step({ x: rows(x, at, at + 6), target: rows(target, at, at + 6) }, 0);
        return trainer.parameters();
      }),
    );
    const shared = new Trainer(await openShared(threadedExecutor, step, { shares: 2, threads: 2 }), step);
    await shared.step({ x, target }, 0);
    const got = shared.parameters();
    for (const name of ['mean', 'variance']) {
      const [a, b] = alone.map((p) => p.get(name)!);
      got.get(name)!.forEach((v, i) => expect(v).toBeCloseTo((a![i]! + b![i]!) / 2, 5));
      expect(a![0]).not.toBeCloseTo(b![0]!, 3);
    }
    await shared.release();
  });

  it('learns from what another model says in the same thread', async () => {
    const net = network();
    const teacher = new Model();
    teacher.opsets.set('', 17);
    const b = new GraphBuilder(teacher.graph, 17);
    const given = teacher.graph.addInput('x', { elemType: DType.FLOAT, shape: ['batch', 6] });
    const said = b.matmul(given, b.tensor(f32(uniform([6, 2]).data as Float32Array, [6, 2])));
    said.name = 'target';
    said.type = { elemType: DType.FLOAT };
    teacher.graph.outputs.push(said);
    const session = await plainExecutor.open(teacher);
    const { target } = await session.run({ x });
    const step = await stepFor(net, 6);
    const told = new Trainer(await openShared(threadedExecutor, step, { shares: 2, threads: 2 }), step);
    const shared = await openShared(threadedExecutor, step, { shares: 2, threads: 2, before: [teacher] });
    expect([...shared.inputNames].sort()).toEqual(['params', 'x']);
    const asking = new Trainer(shared, step);
    for (let i = 0; i < 3; i++) {
      const { loss } = await asking.step({ x }, 0.05);
      expect(loss).toBeCloseTo((await told.step({ x, target: target! }, 0.05)).loss, 5);
    }
    close(asking.parameters(), told.parameters());
    await told.release();
    await asking.release();
  });
});
