import { readFileSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';
import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import type { Model } from '../../src/main/engine/ir/index.ts';
import { cloneModel } from '../../src/main/engine/ir/clone.ts';
import { verifyModel } from '../../src/main/engine/ir/verify.ts';
import { readModel, serializeModel } from '../../src/main/engine/onnx/index.ts';
import {
  constantsToInitializers,
  eliminateDead,
  eliminateIdentity,
  foldBatchNorm,
  runPasses,
} from '../../src/main/engine/passes/index.ts';
import { assetPath, zooPath } from '../support/assets.ts';
import { canonical } from '../support/canonical.ts';
import { random } from '../support/example-model.ts';
import { smallNetwork } from '../support/small-network.ts';
import { fillZoo } from '../support/zoo.ts';
import { seededRandom } from '../../src/main/engine/random.ts';

const files = (folder: string | null): string[] =>
  folder
    ? readdirSync(folder)
        .filter((f) => f.endsWith('.onnx'))
        .map((f) => `${folder}/${f}`)
    : [];
const assets = files(assetPath('models'));
const zoo = files(zooPath('.'));

/** Runs without the runtime's own rewrites, so that differences come from the codec. */
async function run(model: Uint8Array, feeds: Record<string, ort.Tensor> | null) {
  const session = await ort.InferenceSession.create(model, {
    graphOptimizationLevel: 'disabled',
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const given = feeds ?? randomFeeds(session);
  const out = await session.run(given);
  await session.release();
  return { out, feeds: given };
}

function randomFeeds(session: ort.InferenceSession): Record<string, ort.Tensor> {
  const random = seededRandom(7);
  const next = (): number => random.normal();
  return Object.fromEntries(
    session.inputMetadata.map((m) => {
      if (!m.isTensor) throw new Error(`${m.name} is no tensor`);
      const dims = m.shape.map((d) => (typeof d === 'number' && d > 0 ? d : 2));
      const n = dims.reduce((a, b) => a * b, 1);
      // Small enough for a table of ten classes as well as for a thousand time steps.
      const data = m.type === 'int64' ? new BigInt64Array(n).fill(3n) : new Float32Array(n).map(next);
      return [m.name, new ort.Tensor(m.type, data, dims)];
    }),
  );
}

/** Compares as text: the test library's deep comparison of such trees takes many seconds. */
const saysTheSame = (a: Uint8Array, b: Uint8Array): boolean =>
  JSON.stringify(canonical(a)) === JSON.stringify(canonical(b));

const bits = (t: ort.Tensor): Buffer => {
  const d = t.data as Float32Array;
  return Buffer.from(d.buffer, d.byteOffset, d.byteLength);
};

describe.skipIf(!assets.length)('real models (skipped where ../shared/assets is absent)', () => {
  it.each(assets.map((f) => [basename(f), f]))(
    '%s: the runtime gives the same bits after load and save',
    async (_, f) => {
      const original = new Uint8Array(readFileSync(f));
      const model = readModel(original);
      verifyModel(model);
      const saved = serializeModel(model);
      expect(saysTheSame(saved, original)).toBe(true);
      const a = await run(original, null);
      const b = await run(saved, a.feeds);
      expect(Object.keys(b.out)).toEqual(Object.keys(a.out));
      for (const [k, t] of Object.entries(a.out)) expect(Buffer.compare(bits(b.out[k]!), bits(t))).toBe(0);
    },
  );

  it.each(assets.map((f) => [basename(f), f]))('%s: the clean-up passes keep its function', async (_, f) => {
    const model = readModel(new Uint8Array(readFileSync(f)));
    const a = await run(serializeModel(model), null);
    const b = await run(serializeModel(cleanedUp(model)), a.feeds);
    for (const [k, t] of Object.entries(a.out)) expect(largestDifference(t, b.out[k]!)).toBeLessThan(1e-5);
  });
});

describe.skipIf(!zoo.length)('architectures (skipped where ../shared/zoo is absent)', () => {
  it.each(zoo.map((f) => [basename(f), f]))(
    '%s: says the same after load and save, and is sound when cleaned up',
    (_, f) => {
      const original = new Uint8Array(readFileSync(f));
      const model = readModel(original);
      verifyModel(model);
      expect(saysTheSame(serializeModel(model), original)).toBe(true);
      runPasses(model, [constantsToInitializers, eliminateIdentity, eliminateDead], { verify: true });
    },
  );

  // Small models with batch norms to fold.
  it.each(['resnet18.onnx', 'mobilenet_v3_small.onnx', 'shufflenet_v2_x1_0.onnx', 'regnet_y_400mf.onnx'])(
    '%s: the clean-up passes keep its function',
    async (name) => {
      const model = fillZoo(readModel(new Uint8Array(readFileSync(zooPath(name)!))), 1);
      const a = await run(serializeModel(model), null);
      const b = await run(serializeModel(cleanedUp(model)), a.feeds);
      for (const [k, t] of Object.entries(a.out)) expect(largestDifference(t, b.out[k]!)).toBeLessThan(1e-4);
    },
  );
});

describe('a small network made here', () => {
  it('gives the same bits after load and save, and after the passes nearly so', async () => {
    const next = random(3);
    const model = smallNetwork(next);
    const a = await run(serializeModel(model), null);
    const b = await run(serializeModel(readModel(serializeModel(model))), a.feeds);
    for (const [k, t] of Object.entries(a.out)) expect(Buffer.compare(bits(b.out[k]!), bits(t))).toBe(0);
    const c = await run(serializeModel(cleanedUp(model)), a.feeds);
    for (const [k, t] of Object.entries(a.out)) expect(largestDifference(t, c.out[k]!)).toBeLessThan(1e-5);
  });
});

/** Relative to the largest element. */
function largestDifference(a: ort.Tensor, b: ort.Tensor): number {
  const x = a.data as Float32Array,
    y = b.data as Float32Array;
  expect(y.length).toBe(x.length);
  let worst = 0,
    scale = 1e-30;
  for (let i = 0; i < x.length; i++) {
    worst = Math.max(worst, Math.abs(x[i]! - y[i]!));
    scale = Math.max(scale, Math.abs(x[i]!));
  }
  return worst / scale;
}

function cleanedUp(model: Model): Model {
  const passes = [constantsToInitializers, eliminateIdentity, foldBatchNorm, eliminateDead];
  return runPasses(cloneModel(model).model, passes, { verify: true }).model;
}
