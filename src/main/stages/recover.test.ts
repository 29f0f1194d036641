import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeCompressFixture } from '../../../test/support/compress-fixture.ts';
import { plainExecutor } from '../../../test/support/executor.ts';
import { prepare, type Prepared } from '../../../test/support/prune.ts';
import { residualChain } from '../../../test/support/residual-chain.ts';
import { PRESETS } from '../../shared/model/recipes.ts';
import { openDataset, type Dataset } from '../data/dataset.ts';
import type { HostTensor } from '../engine/executor.ts';
import type { Model } from '../engine/ir/model.ts';
import { toFloat32 } from '../engine/ir/tensor.ts';
import { applyPlan } from '../engine/pruning/surgery.ts';
import type { StageContext } from './context.ts';
import { recover, type Recovered } from './recover.ts';
import { trainable } from './recover-model.ts';
import { reference } from './sensitivity.ts';

let folder: string;
let dataset: Dataset;
let p: Prepared;
let pruned: Model;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'secateur-recover-'));
  const { data } = writeCompressFixture(folder, 8, 96);
  const opened = await openDataset({ data, inputShape: [0, 3, 8, 8], preprocess: {} });
  p = await prepare(residualChain({ blocks: 1, width: 8 }));
  // Labels as the original has them: those of the file mean nothing to it.
  const { y } = await outputs(p.model, await opened.batch([...train, ...holdout]));
  const labels = Int32Array.from({ length: 96 }, (_, i) => {
    const row = [...(y!.data as Float32Array).subarray(4 * i, 4 * i + 4)];
    return row.indexOf(Math.max(...row));
  });
  dataset = { ...opened, length: opened.length, batch: (i) => opened.batch(i), close: () => opened.close(), labels };
  const plan = { groups: [{ group: 'a0', removed: [0, 2, 5, 6] }], blocks: [] };
  pruned = applyPlan(p.model, p.facts, p.analysis, plan, p.blocks).model;
});
afterAll(async () => {
  await dataset.close();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

const train = Array.from({ length: 64 }, (_, i) => i);
const holdout = Array.from({ length: 32 }, (_, i) => 64 + i);
const recipe = { ...PRESETS.balanced.recovery, batch: 16, seconds: 1.5, augment: false };

function run(overrides: Partial<typeof recipe>, stages: string[] = []): Promise<Recovered> {
  const ctx: StageContext = {
    job: 'test',
    executor: plainExecutor,
    latency: { get: () => undefined, put: () => undefined },
    progress: ({ stage }) => void stages.push(stage),
    log: () => undefined,
    artifact: () => Promise.reject(new Error('recovery makes no artifact of its own')),
    memo: () => ({ get: () => undefined, put: () => undefined }),
  };
  return recover(p.model, pruned, { recipe: { ...recipe, ...overrides }, dataset, train, holdout, seed: 1, threads: 1 }, ctx); // prettier-ignore
}
async function outputs(model: Model, x: HostTensor): Promise<Record<string, HostTensor>> {
  const session = await plainExecutor.open(model, {});
  try {
    return await session.run({ x });
  } finally {
    await session.release();
  }
}
/** Distance to the original on samples, by a way of its own. */
async function distance(m: Model, indices: readonly number[]): Promise<number> {
  const x = await dataset.batch(indices);
  return reference(await outputs(p.model, x))(await outputs(m, x));
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
    // The model that was given is as it was.
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
