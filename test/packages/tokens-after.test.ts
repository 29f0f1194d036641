/**
 * Selection behind the vision encoders of packages in exporters' layouts: the places that are found,
 * the reasons that are given, and the result of every method against its reference.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { HostTensor } from '../../src/main/engine/executor.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { verifyModel } from '../../src/main/engine/ir/verify.ts';
import { featurePlace, refusalAfter, selectAfter } from '../../src/main/engine/structures/tokens/after.ts';
import { tokenMethod } from '../../src/main/engine/structures/tokens/registry.ts';
import { collectFacts } from '../../src/main/runtime/facts.ts';
import { randomFeeds } from '../../src/main/runtime/random-inputs.ts';
import { openModelFile } from '../../src/main/storage/model-files.ts';
import { plainExecutor } from '../support/executor.ts';
import { REFERENCES, type Sample } from '../support/token-references.ts';

const folder = resolve(import.meta.dirname, '../../../shared/packages');
const has = existsSync(folder);
const open = (file: string): Model => openModelFile(join(folder, file));

const ENCODERS: [file: string, place: object, dims: Record<string, number>][] = [
  ['smolvlm-decomposed/onnx/vision_encoder.onnx', { count: 16, fixed: 0, grid: [4, 4], width: 96, withoutAttention: expect.stringContaining('attends to 64 tokens') }, { batch_size: 1, num_images: 2 }], // prettier-ignore
  ['llava-decomposed/onnx/vision_encoder.onnx', { count: 64, fixed: 0, grid: [8, 8], width: 64, attention: expect.objectContaining({ skip: 1, classToken: true }) }, { batch_size: 2 }], // prettier-ignore
  ['llava-siglip-mobius/vision_encoder/model.onnx', { count: 64, fixed: 0, grid: [8, 8], withoutAttention: expect.stringContaining('one operator') }, { batch: 2 }], // prettier-ignore
  ['vitgpt2-optimum/encoder_model.onnx', { count: 50, fixed: 1, grid: [7, 7], attention: expect.objectContaining({ skip: 0, classToken: true }) }, { batch_size: 2, num_channels: 3, height: 112, width: 112 }], // prettier-ignore
  ['blip-caption/onnx/vision_model.onnx', { count: 65, fixed: 1, grid: [8, 8], attention: expect.objectContaining({ skip: 0, classToken: true }) }, { batch_size: 2 }], // prettier-ignore
  ['clip-dual-optimum/onnx/vision_model.onnx', { count: 50, fixed: 1, grid: [7, 7], attention: expect.anything() }, { batch_size: 2 }], // prettier-ignore
];

async function run(model: Model, dims: Record<string, number>): Promise<Record<string, HostTensor>> {
  verifyModel(model);
  const session = await plainExecutor.open(model);
  try {
    return await session.run(randomFeeds(model, { dims }));
  } finally {
    await session.release();
  }
}

describe.skipIf(!has)('vision encoders of packages', () => {
  it.each(ENCODERS)('%s', async (file, expected, dims) => {
    const model = open(file);
    const place = featurePlace(model, await collectFacts(model, plainExecutor, { dims }));
    expect(place).toMatchObject(expected);
    if ('refused' in place) return;
    const name = place.output.name;
    const before = (await run(model, dims))[name]!;
    const { count, width, fixed } = place;
    const rowAt = (t: HostTensor, i: number): number[] => Array.from(t.data.subarray(i * width, (i + 1) * width), Number); // prettier-ignore
    for (const [method, keep] of [
      ['pool', 4],
      ['dpp', 8],
      ['divprune', 8],
      ['stride', 8],
    ] as const) {
      // prettier-ignore
      const cut = selectAfter(model, place, tokenMethod(method)!, keep);
      const outputs = await run(cut, dims);
      const after = outputs[name]!;
      const images = before.dims[0]!;
      expect(after.dims).toEqual([images, fixed + keep, width]);
      for (let i = 0; i < images; i++) {
        const tokens = Array.from({ length: count - fixed }, (_, t) => rowAt(before, i * count + fixed + t));
        const sample: Sample = { tokens, grid: place.grid!, attention: [], keys: [], sizes: [], seed: 0 };
        const { index, content } = REFERENCES[method]!(sample, keep, fixed);
        const want = [...(fixed ? [rowAt(before, i * count)] : []), ...(content ?? index.map((t) => tokens[t]!))];
        want.forEach(
          (row, k) =>
          expect(Math.max(...row.map((x, d) => Math.abs(x - rowAt(after, i * (fixed + keep) + k)[d]!)))).toBeLessThan(1e-4), // prettier-ignore
        );
      }
      const others = Object.keys(outputs).filter((other) => other !== name);
      const whole = await run(model, dims);
      for (const other of others) expect(outputs[other]).toEqual(whole[other]);
    }
  });

  it.each(ENCODERS.filter(([file]) => /llava-dec|vitgpt2|blip|clip/.test(file)))(
    '%s gives attention and keys',
    async (file, _, dims) => {
      // prettier-ignore
      const model = open(file);
      const place = featurePlace(model, await collectFacts(model, plainExecutor, { dims }));
      if ('refused' in place) throw new Error(place.refused);
      for (const name of ['visionzip', 'nuwa', 'evit', 'stratified']) {
        const method = tokenMethod(name)!;
        expect(refusalAfter(model, place, method, 12)).toBeNull();
        const out = (await run(selectAfter(model, place, method, 12), dims))[place.output.name]!;
        expect(out.dims[1]).toBe(place.fixed + 12);
        expect(Array.from(out.data, Number).every(Number.isFinite)).toBe(true);
      }
    },
  );

  it('refuses an encoder whose count follows a grid input', () => {
    const model = open('qwen2vl-like/onnx/vision_encoder.onnx');
    expect(featurePlace(model, new Map())).toEqual({ refused: expect.stringContaining('grid_thw') });
  });
});

it.skipIf(has)('skipped: ../shared/packages is not here', () => undefined);
