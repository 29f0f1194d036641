/**
 * Models of several inputs with data for all of them: sizes come from the data, outputs are read by
 * the inputs, quality is judged.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { assetPath } from '../../../../test/support/assets.ts';
import { memos } from '../../../../test/support/keyed.ts';
import { writeNpz } from '../../../../test/support/npz.ts';
import { decoder } from '../../../../test/support/small-package.ts';
import { twoInputs, twoInputSamples } from '../../../../test/support/two-inputs.ts';
import type { HostTensor } from '../../engine/executor.ts';
import { DType } from '../../engine/ir/dtype.ts';
import type { Model } from '../../engine/ir/model.ts';
import { f32, toFloat32 } from '../../engine/ir/tensor.ts';
import { seededRandom } from '../../engine/random.ts';
import { createExecutor } from '../../runtime/executor.ts';
import { openModelFile, saveModelFile } from '../../storage/model-files.ts';
import { loadWithHash } from '../prepare/load.ts';
import { openModelData } from '../prepare/model-data.ts';
import { sized } from '../prepare/sized.ts';
import { compareModels } from './evaluate.ts';

const dir = mkdtempSync(join(tmpdir(), 'secateur-judged-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const ctx = { executor: createExecutor(), memo: memos().memo };

const int64 = (dims: number[], at: (i: number) => number): HostTensor => ({
  dtype: DType.INT64,
  dims,
  data: BigInt64Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => BigInt(at(i))),
});
const float = (dims: number[], seed = 1): HostTensor => {
  const random = seededRandom(seed);
  return { dtype: DType.FLOAT, dims, data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal()) }; // prettier-ignore
};

/**
 * Opens the data as jobs do, and compares the model with a copy whose weights are slightly changed.
 */
async function judged(file: string, arrays: Record<string, HostTensor>, dims: Record<string, number> = {}) {
  const data = await writeNpz(join(dir, 'data.npz'), arrays);
  const loaded = await loadWithHash(file);
  const { dataset, notes, shapes } = await openModelData(loaded.model, file, { data, dims }, ctx);
  const { model, sizes } = await sized(loaded, { shapes, dims }, ctx);
  try {
    const other = disturbed(openModelFile(file));
    other.sizes = model.sizes;
    const batch = await dataset.batch([0]);
    return {
      ...(await compareModels(model, other, { executor: ctx.executor, dataset, batch: 4 })),
      notes,
      sizes,
      batch,
    };
  } finally {
    await dataset.close();
  }
}

function disturbed(model: Model): Model {
  const random = seededRandom(3);
  for (const v of model.graph.initializers) {
    const t = v.initializer!;
    if (t.dtype !== DType.FLOAT || t.dims.length < 2) continue;
    v.initializer = f32(Float32Array.from(toFloat32(t), (x) => x * (1 + 0.2 * random.normal())), t.dims); // prettier-ignore
  }
  return model;
}

const saved = (name: string, model: Model): string => {
  const path = join(dir, name);
  saveModelFile(model, path);
  return path;
};

describe('a decoder with an empty cache', () => {
  const file = () => saved('decoder.onnx', decoder());
  const cache = (past: number) => ({
    'past_key_values.0.key': float([6, 1, past, 8], 5),
    'past_key_values.0.value': float([6, 1, past, 8], 6),
  });

  it('is judged by its tokens at the sizes of the data, with a mask of ones', async () => {
    const got = await judged(file(), { inputs_embeds: float([6, 5, 8]), ...cache(0) });
    expect(got.sizes.sizes).toMatchObject({ sequence: 5, past: 0, total: 5 });
    expect(got.notes).toContain('The data leave attention_mask out: it is filled with ones.');
    expect(got.batch['attention_mask']).toEqual(int64([1, 5], () => 1));
    expect(got.meanings.get('logits')).toMatchObject({ reading: 'tokens' });
    expect(got.original).toMatchObject({ samples: 6, agreement: 1 });
    const logits = got.pruned.outputs!.find((o) => o.name === 'logits')!;
    expect(logits).toMatchObject({ reading: 'tokens', samples: 6 });
    expect(logits.kl).toBeGreaterThan(0);
  });

  it('may do without the cache, but not with a part of it', async () => {
    const got = await judged(file(), { inputs_embeds: float([6, 5, 8]) });
    expect(got.notes).toContain('The data leave 2 caches out: they are empty.');
    expect(got.sizes.sizes).toMatchObject({ sequence: 5, past: 0, total: 5 });
    expect(got.sizes.guessed).toEqual([]);
    expect(got.batch['past_key_values.0.key']!.dims).toEqual([1, 1, 0, 8]);
    expect(got.pruned.outputs!.find((o) => o.name === 'logits')).toMatchObject({ reading: 'tokens', samples: 6 });
    const part = { inputs_embeds: float([6, 5, 8]), 'past_key_values.0.key': float([6, 1, 3, 8]) };
    await expect(judged(file(), part)).rejects.toMatchObject({ code: 'data-input-missing' });
    // A use with a cache of a given length requires a cache input.
    const whole = judged(file(), { inputs_embeds: float([6, 1, 8]) }, { past: 3 });
    await expect(whole).rejects.toMatchObject({ code: 'data-input-missing' });
  });

  it('takes the length of the cache from the data, and masks of that length', async () => {
    const got = await judged(file(), { inputs_embeds: float([6, 2, 8]), ...cache(3) });
    expect(got.sizes.sizes).toMatchObject({ sequence: 2, past: 3 });
    expect(got.batch['attention_mask']!.dims).toEqual([1, 5]);
  });

  it('refuses sizes that contradict the data', async () => {
    const arrays = { inputs_embeds: float([6, 5, 8]), ...cache(0) };
    await expect(judged(file(), arrays, { past: 4 })).rejects.toMatchObject({ code: 'data-shape' });
    const uneven = { ...arrays, 'past_key_values.0.key': float([6, 1, 2, 8]) };
    await expect(judged(file(), uneven)).rejects.toMatchObject({ code: 'dim-contradicts' });
  });
});

describe('a batch that the export fixed', () => {
  it('pads the last samples of every input', async () => {
    const file = saved('fixed.onnx', twoInputs(8, 4));
    const free = saved('free.onnx', twoInputs(8));
    const arrays = twoInputSamples(10);
    const [fixed, open] = [await judged(file, arrays), await judged(free, arrays)];
    expect(fixed.original.samples).toBe(10);
    expect(fixed.pruned.kl ?? null).toBe(open.pruned.kl ?? null);
    expect(fixed.pruned.snrDb).toBeCloseTo(open.pruned.snrDb!, 3);
  });
});

const words = (rows: number, length: number) => int64([rows, length], (i) => 3 + ((i * 7919) % 90));

const text = assetPath('packages/clip_fashion/text_model.onnx');
it.skipIf(text === null)('a text encoder is judged by its embedding (needs ../shared/assets)', async () => {
  const attention_mask = int64([6, 32], (i) => Number(i % 32 < 20));
  const got = await judged(text!, { input_ids: words(6, 32), attention_mask });
  expect(got.meanings.get('text_embeds')).toMatchObject({ reading: 'embedding' });
  expect(got.original.agreement).toBe(1);
  expect(got.pruned.cosine).toBeGreaterThan(0);
  expect(got.pruned.cosine).toBeLessThan(1);
  const beyond = { input_ids: int64([6, 32], () => 300), attention_mask };
  await expect(judged(text!, beyond)).rejects.toMatchObject({ code: 'data-range' });
});

const stories = assetPath('packages/stories260k/model.onnx');
it.skipIf(stories === null)('a language model is judged by its tokens (needs ../shared/assets)', async () => {
  const names = openModelFile(stories!).graph.inputs.map((v) => v.name).filter((n) => n.startsWith('past_')); // prettier-ignore
  const empty = Object.fromEntries(names.map((n) => [n, float([6, 4, 0, 8])]));
  const got = await judged(stories!, { input_ids: words(6, 12), ...empty });
  expect(got.notes.join()).toContain('positions that count on behind the cache');
  expect([...got.batch['position_ids']!.data].map(Number)).toEqual(Array.from({ length: 12 }, (_, i) => i));
  expect(got.meanings.get('logits')).toMatchObject({ reading: 'tokens' });
  expect(got.original).toMatchObject({ samples: 6, agreement: 1 });
  expect(got.pruned.agreement).toBeLessThan(1);
  expect(got.pruned.outputs!.find((o) => o.name === 'logits')!.kl).toBeGreaterThan(0);
});
