import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { writeCompressFixture } from '../../../../test/support/compress-fixture.ts';
import { plainExecutor, threadedExecutor } from '../../../../test/support/executor.ts';
import { prepare, randomPlan, type Prepared, choose } from '../../../../test/support/prune.ts';
import { residualChain } from '../../../../test/support/residual-chain.ts';
import { smallVit } from '../../../../test/support/small-vit.ts';
import { PRESETS } from '../../../shared/model/recipes.ts';
import { openDataset, type Dataset } from '../../data/dataset.ts';
import type { Sample } from '../../data/input-spec.ts';
import type { Executor, HostTensor } from '../../engine/executor.ts';
import type { Model } from '../../engine/ir/model.ts';
import { featuresOf, type Feature } from '../../engine/recovery/features.ts';
import type { TrainerState } from '../../engine/autodiff/trainer.ts';
import { toFloat32 } from '../../engine/ir/tensor.ts';
import { applyPlan } from '../../engine/structures/apply.ts';
import { mixPatches } from '../../engine/recovery/mix.ts';
import { rateFor, recover, tooFast, type Recovered } from './recover.ts';
import type { RecoveryOptions } from './training-setup.ts';
import { largestBatch, trainable } from './recover-model.ts';
import { meaningsOf } from '../../engine/quality/meaning.ts';
import { distanceFrom } from '../../engine/quality/distance.ts';

// The real module, with its calls counted.
vi.mock('../../engine/recovery/mix.ts', async (real) => {
  const { mixPatches } = await real<typeof import('../../engine/recovery/mix.ts')>();
  return { mixPatches: vi.fn(mixPatches) };
});

let folder: string;
let dataset: Dataset;
let p: Prepared;
let pruned: Model;
let features: Feature[];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'secateur-recover-'));
  const { data } = writeCompressFixture(folder, 8, 96);
  const opened = await openDataset({ data, inputs: [{ name: 'x', shape: [0, 3, 8, 8] }], preprocess: {} });
  p = await prepare(residualChain({ blocks: 1, width: 8 }));
  // Labels are the original's predictions; the file's labels have no meaning for it.
  const { y } = await outputs(p.model, await opened.batch([...train, ...holdout]));
  const labels = Int32Array.from({ length: 96 }, (_, i) => {
    const row = [...(y!.data as Float32Array).subarray(4 * i, 4 * i + 4)];
    return row.indexOf(Math.max(...row));
  });
  dataset = { ...opened, length: opened.length, batch: (i) => opened.batch(i), close: () => opened.close(), labels };
  const plan = choose(p, { a0: [0, 2, 5, 6], stem: [3] });
  const surgery = applyPlan(p, plan);
  features = featuresOf(surgery);
  pruned = surgery.model;
});
afterAll(async () => {
  await dataset.close();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

const train = Array.from({ length: 64 }, (_, i) => i);
const holdout = Array.from({ length: 32 }, (_, i) => 64 + i);
const recipe = { ...PRESETS.balanced.recovery, batch: 16, seconds: 1.5, augment: false };

/**
 * A clock that advances by a few milliseconds per reading, so that the number of steps does not
 * depend on the machine.
 */
function clock(): () => number {
  let ms = 0;
  return () => (ms += 4);
}

function run(
  overrides: Partial<typeof recipe>,
  stages: string[] = [],
  { executor = plainExecutor, ...more }: Partial<RecoveryOptions> & { executor?: Executor } = {},
): Promise<Recovered> {
  const ctx = { executor, progress: ({ stage }: { stage: string }) => void stages.push(stage) };
  return recover(p.model, pruned, { recipe: { ...recipe, ...overrides }, dataset, train, holdout, seed: 1, threads: 1, now: clock(), meanings: p.meanings, ...more }, ctx); // prettier-ignore
}
async function outputs(model: Model, feeds: Sample): Promise<Record<string, HostTensor>> {
  const session = await plainExecutor.open(model, {});
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}
/** Distance to the original on samples, computed independently. */
async function distance(m: Model, indices: readonly number[]): Promise<number> {
  const x = await dataset.batch(indices);
  const order = p.model.graph.outputs.map((v) => v.name);
  return distanceFrom(await outputs(p.model, x), { order, meanings: meaningsOf(p), picture: null })(
    await outputs(m, x),
  );
}
const weights = (m: Model): number[][] =>
  [...m.graph.initializers].filter((v) => v.initializer!.dtype === 1).map((v) => [...toFloat32(v.initializer!)]);

describe('recovery', () => {
  it.each([
    ['towards the original and a little to the labels', { alpha: 0.98 }],
    ['towards the original alone', { alpha: 1 }],
    ['by gradient descent with momentum', { optimizer: 'sgd', learningRate: 0.01, alpha: 1 }],
    ['on shifted and mirrored samples', { augment: true, alpha: 1 }],
  ] as const)('%s comes nearer on samples held out', async (_, overrides) => {
    const before = weights(pruned);
    const stages: string[] = [];
    const r = await run(overrides, stages);
    expect(r.steps).toBeGreaterThan(5);
    expect(r.after).toBeLessThan(r.before);
    expect(await distance(r.model, holdout)).toBeCloseTo(r.after, 5);
    expect(await distance(pruned, holdout)).toBeCloseTo(r.before, 5);
    expect(r.curve.at(-1)).toMatchObject({ step: r.steps, holdout: r.after });
    expect(r.after).toBeLessThanOrEqual(Math.min(...r.curve.map((c) => c.holdout)));
    expect(new Set(stages)).toEqual(new Set(['recover']));
    // The given model is unchanged.
    expect(weights(pruned)).toEqual(before);
    expect(weights(r.model)).not.toEqual(before);
  });

  it('gives back the best state, which may be the first', async () => {
    // Steps this large ruin the model at once.
    const r = await run({ learningRate: 30, seconds: 0.7 });
    expect(r.steps).toBeGreaterThan(0);
    expect(r.after).toBeLessThanOrEqual(r.before);
    expect(await distance(r.model, holdout)).toBeCloseTo(r.after, 5);
  });

  it('matches activations on the way, those of the channels that stay', async () => {
    expect(features.map((f) => [f.value, f.kept])).toEqual([[expect.any(String), [0, 1, 2, 4, 5, 6, 7]]]);
    const r = await run({ alpha: 1 }, [], { features });
    expect(r.after).toBeLessThan(r.before);
    // Names that are missing in one of the models are ignored.
    const unknown = await run({ seconds: 0.3 }, [], {
      features: [{ value: 'nowhere', target: 'nowhere', kept: null }],
    });
    expect(unknown.steps).toBeGreaterThan(0);
  });

  it('comes nearer with patches of other pictures, where there are too many answers to keep', async () => {
    const many = Array.from({ length: 60_000 }, (_, i) => train[i % train.length]!);
    vi.mocked(mixPatches).mockClear();
    await run({ augment: true, seconds: 0.4 }, [], { features });
    expect(mixPatches).not.toHaveBeenCalled();
    const r = await run({ augment: true, alpha: 1, learningRate: 'auto' }, [], { features, train: many });
    expect(mixPatches).toHaveBeenCalled();
    expect(r.steps).toBeGreaterThan(5);
    expect(r.after).toBeLessThan(r.before);
    expect(await distance(r.model, holdout)).toBeCloseTo(r.after, 5);
  });

  it('shares batches out to threads, where there are any', async () => {
    const opened: number[] = [];
    const executor = {
      ...threadedExecutor,
      openThread: (...a: Parameters<typeof threadedExecutor.openThread>) => {
        opened.push(a[0].length);
        return threadedExecutor.openThread(...a);
      },
    };
    // The first session is a trial. Outputs are cached and fed. Two sessions for each of two
    // phases.
    const shared = { features, threads: 2, executor, worthAThread: 0 };
    const kept = await run({ batch: 32, alpha: 0.98, seconds: 0.8 }, [], shared);
    expect(opened.slice(1)).toEqual([1, 1, 1, 1]);
    expect(kept.after).toBeLessThan(kept.before);
    expect(await distance(kept.model, holdout)).toBeCloseTo(kept.after, 5);
    // Too many outputs to cache, so the original runs in the same thread.
    const many = Array.from({ length: 60_000 }, (_, i) => train[i % train.length]!);
    opened.splice(0);
    const asked = await run({ batch: 32, augment: true, seconds: 0.8 }, [], { ...shared, train: many });
    expect(opened.slice(1)).toEqual([2, 2, 2, 2]);
    expect(asked.after).toBeLessThan(asked.before);
    const broken = { ...plainExecutor, openThread: () => Promise.reject(new Error('no threads here')) };
    expect((await run({ batch: 32, seconds: 0.4 }, [], { ...shared, executor: broken })).steps).toBeGreaterThan(5);
    // A step of this model takes less time than distributing it over threads.
    opened.splice(0);
    await run({ batch: 32, seconds: 0.4 }, [], { features, threads: 2, executor });
    expect(opened).toEqual([]);
  });

  it('goes on from its checkpoint when it was cut off', async () => {
    let kept: unknown = null;
    let writes = 0;
    const checkpoint = {
      read: () => Promise.resolve(structuredClone(kept)),
      write: (value: unknown) => {
        if (++writes > 1) return Promise.reject(new Error('cut off'));
        kept = structuredClone(value);
        return Promise.resolve();
      },
    };
    await expect(run({ seconds: 6 }, [], { checkpoint })).rejects.toThrow('cut off');
    type Kept = { memory: { seconds: number }; student: { trainer: TrainerState; still: unknown } };
    const { memory, student } = kept as Kept;
    const { trainer } = student;
    expect(trainer.count).toBeGreaterThan(5);
    writes = -Infinity;
    const now = clock();
    const r = await run({ seconds: memory.seconds + 1 }, [], { checkpoint, now });
    expect(r.steps).toBeGreaterThan(trainer.count);
    expect(r.seconds).toBeGreaterThan(memory.seconds);
    // Only the remaining part is repeated.
    expect(now() / 1000).toBeLessThan(memory.seconds + 1);
    expect(r.curve[0]).toMatchObject({ step: trainer.count });
    // A checkpoint of another model is ignored.
    const { trainer: t } = (structuredClone(kept) as Kept).student;
    const vectors = new Map(t.vectors).set([...t.vectors.keys()][0]!, new Float32Array(3));
    kept = { memory, student: { trainer: { ...t, vectors }, still: null } };
    expect((await run({ seconds: 0.3 }, [], { checkpoint })).curve[0]!.seconds).toBeLessThan(memory.seconds);
  });

  it('takes its time limit for an end', async () => {
    const r = await run({ seconds: 0 });
    expect([r.steps, r.after]).toEqual([0, r.before]);
    expect(weights(r.model)).toEqual(weights(pruned));
  });

  it('learns weights and biases of linear operators', () => {
    const names = trainable(pruned).map((v) => v.name).sort(); // prettier-ignore
    expect(names).toEqual(['a0', 'b0', 'fc', 'stem'].flatMap((n) => [`${n}.bias`, `${n}.weight`]));
  });
});

it('a training step takes no more samples than there is memory for', () => {
  // Per sample: two convolutions and their activations of 8x8x8 and so on, 2.5 times 4 bytes each.
  const floats = [...p.model.graph.nodes()].reduce((sum, n) => {
    const shape = p.facts.get(n.output())!.shape;
    return sum + shape.reduce((a, b) => a * b, 1) / shape[0]!;
  }, 0);
  expect(largestBatch(p.model, p.facts, 10 * floats * 7.5)).toBe(7);
  expect(largestBatch(p.model, p.facts, 1)).toBe(1);
  expect(largestBatch(p.model, p.facts)).toBeGreaterThan(1000);
});

it('begins anew with a smaller rate where the first one leads away', async () => {
  const r = await run({ learningRate: 1000, optimizer: 'adamw', seconds: 4 });
  expect(r.restarts).toBeGreaterThan(0);
  expect(r.after).toBeLessThanOrEqual(r.before);
  expect((await run({})).restarts).toBe(0);
  // Batch statistics lag behind the weights at first; late in the run there is no time left.
  expect([0.1, 0.2, 0.4, 0.6].map((share) => tooFast(6, share))).toEqual([false, true, true, false]);
  expect([0.1, 0.4, 0.6].map((share) => tooFast(NaN, share))).toEqual([true, true, false]);
  expect(tooFast(2, 0.3)).toBe(false);
});

describe('recovery of a vision transformer', () => {
  it('brings one with fewer heads, dimensions, hidden units and a narrower stream nearer to the original', async () => {
    const vit = await prepare(smallVit());
    const plan = randomPlan(vit, 1, 0.3);
    // Heads, the dimensions in them, and the widths of the residual stream and of the feed-forward
    // part.
    expect(plan.choices.length).toBeGreaterThanOrEqual(4);
    const surgery = applyPlan(vit, plan);
    const options = { recipe: { ...recipe, alpha: 1 }, dataset: { ...dataset, labels: null }, train, holdout, seed: 1, threads: 1 }; // prettier-ignore
    const ctx = { executor: plainExecutor, progress: () => undefined };
    const features = featuresOf(surgery);
    expect(features.length).toBeGreaterThan(0);
    const r = await recover(vit.model, surgery.model, { ...options, features }, ctx);
    expect(r.steps).toBeGreaterThan(20);
    expect(r.before).toBeGreaterThan(5e-3);
    expect(r.after).toBeLessThan(0.6 * r.before);
  });
});

describe('the rate that is left open', () => {
  it('grows with the way that is left, between bounds', () => {
    expect(rateFor(0, 'muon')).toBe(rateFor(0.001, 'adamw'));
    expect(rateFor(0.08, 'muon') / rateFor(0.04, 'muon')).toBeCloseTo(Math.SQRT2, 5);
    expect(rateFor(10, 'muon')).toBe(0.03);
    // The learning rate of plain gradient descent has another meaning.
    expect(rateFor(10, 'sgd')).toBe(rateFor(0, 'sgd'));
  });
});
