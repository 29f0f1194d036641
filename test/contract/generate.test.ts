/** Answers of small packages, whose logits are known. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { int } from '../../src/main/engine/ir/attribute.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { f32, i64 } from '../../src/main/engine/ir/tensor.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { openDualRunner, openRunner } from '../../src/main/pipeline/prepare/open-runner.ts';
import { createExecutor } from '../../src/main/runtime/executor.ts';
import { saveModelFile } from '../../src/main/storage/model-files.ts';
import { countingDecoder, expectedLogits, PICTURE_SIDE, rowEncoder, WORDS } from '../support/counting-decoder.ts';
import { IMAGE_TOKENS, writeSmallPackage } from '../support/small-package.ts';
import { Net } from '../support/topologies.ts';

const work = mkdtempSync(join(tmpdir(), 'secateur-answers-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const executor = createExecutor();
const picture = join(work, 'picture.png');

beforeAll(async () => {
  const data = Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => (i * 7) & 255);
  await sharp(data, { raw: { width: 16, height: 16, channels: 3 } })
    .png()
    .toFile(picture);
});

let folders = 0;
function packageOf(files: Readonly<Record<string, Model>>, json: Readonly<Record<string, unknown>> = {}): string {
  const folder = join(work, `package${++folders}`);
  mkdirSync(folder);
  for (const [name, model] of Object.entries(files)) saveModelFile(model, join(folder, name));
  const vocab = Object.fromEntries(Array.from({ length: WORDS }, (_, i) => ['abcdef'[i], i]));
  for (const [name, value] of Object.entries({ 'vocab.json': { vocab }, ...json }))
    writeFileSync(join(folder, name), JSON.stringify(value));
  return folder;
}

const near = (got: ArrayLike<number>, wanted: readonly number[]): void => {
  expect(got.length).toBe(wanted.length);
  for (let i = 0; i < wanted.length; i++) expect(got[i], `logit ${i}`).toBeCloseTo(wanted[i]!, 4);
};

describe('a decoder with caches of unequal lengths', () => {
  const folder = (): string =>
    packageOf({ 'model.onnx': countingDecoder() }, { 'generation_config.json': { eos_token_id: 5, num_beams: 2 } });

  it('reads the prompt at once and the answer token by token, until the end token', async () => {
    const runner = openRunner(folder(), { executor });
    const told: string[] = [];
    const answer = await runner.generate({ prompt: 'ba', tokens: 20 }, (t) => told.push(t.text));
    expect(answer).toMatchObject({ ids: [1, 2, 3, 4, 5], text: 'bcde', stop: 'end', promptTokens: 2, imageTokens: 0 });
    // The end token has no text of its own.
    expect(told).toEqual(['b', 'c', 'd', 'e', '']);
    expect(answer.times.steps).toHaveLength(4);
    expect(answer.notes).toEqual(['Generation settings of the package that are not applied: num_beams.']);
    await runner.close();
  });

  it('gives the logits along an answer', async () => {
    const runner = openRunner(folder(), { executor });
    const prompt = [1, 0];
    const answer = [4, 4, 2];
    const { data, rows, vocabulary } = await runner.answerLogits({ prompt: 'ba' }, answer);
    expect([rows, vocabulary]).toEqual([3, WORDS]);
    for (let i = 0; i < rows; i++)
      near(data.subarray(i * WORDS, (i + 1) * WORDS), expectedLogits([...prompt, ...answer.slice(0, i)], 2));
    const prefill = await runner.prefillLogits({ prompt: 'ba' });
    expect(prefill).toMatchObject({ rows: 2, ids: prompt });
    near(prefill.data.subarray(WORDS), expectedLogits(prompt, 2));
    await runner.close();
  });

  it('ends at the number of tokens, at the last position, and when it is told to', async () => {
    const limited = packageOf({ 'model.onnx': countingDecoder() }, { 'config.json': { max_position_embeddings: 4 } });
    const runner = openRunner(limited, { executor });
    expect(await runner.generate({ prompt: 'ba', tokens: 2 })).toMatchObject({ ids: [1, 2], stop: 'tokens' });
    // Four positions: two of the prompt and the first two of the answer.
    expect(await runner.generate({ prompt: 'ba', tokens: 9 })).toMatchObject({ ids: [1, 2, 3], stop: 'positions' });
    await expect(runner.generate({ prompt: 'abcde' })).rejects.toMatchObject({ code: 'prompt-too-long' });
    const abort = new AbortController();
    const cancelled = await runner.generate({ prompt: 'a', tokens: 9 }, () => abort.abort(), abort.signal);
    expect(cancelled).toMatchObject({ ids: [1], stop: 'cancelled' });
    await runner.close();
  });

  it('draws the same tokens for the same seed', async () => {
    const runner = openRunner(folder(), { executor });
    const drawn = async (seed: number): Promise<readonly number[]> =>
      (await runner.generate({ prompt: 'a', tokens: 12, sampling: { temperature: 5, topK: 0, topP: 1, seed } })).ids;
    expect(await drawn(3)).toEqual(await drawn(3));
    expect(await drawn(3)).not.toEqual(await drawn(4));
    await runner.close();
  });

  it.each([
    [{ prompt: 'a', image: picture }, /reads text only/],
    [{}, /prompt cannot be used: none was given/],
    [{ prompt: '' }, /it is empty/],
    [{ prompt: 'xyz' }, /no word "x"/],
  ])('refuses %j', async (request, message) => {
    const runner = openRunner(folder(), { executor });
    await expect(runner.generate(request)).rejects.toThrow(message);
    await runner.close();
  });

  it('refuses an input that nothing is known for', async () => {
    const model = countingDecoder();
    model.graph.addInput('style', { elemType: DType.FLOAT, shape: ['batch', 8] });
    const runner = openRunner(packageOf({ 'model.onnx': model }), { executor });
    await expect(runner.generate({ prompt: 'a' })).rejects.toMatchObject({
      code: 'run-input',
      detail: { input: 'style' },
    });
  });
});

describe('a decoder beside an encoder', () => {
  const config = { 'generation_config.json': { decoder_start_token_id: 0, eos_token_id: 5 } };
  it('keeps the cache of cross-attention from the first run', async () => {
    const folder = packageOf(
      { 'encoder_model.onnx': rowEncoder(), 'decoder_model_merged.onnx': countingDecoder(true) },
      config,
    );
    const runner = openRunner(folder, { executor });
    const pixels = Float32Array.from({ length: PICTURE_SIDE ** 2 }, (_, i) => i / 100);
    const pixel_values = { dtype: DType.FLOAT, dims: [1, 1, PICTURE_SIDE, PICTURE_SIDE], data: pixels };
    const image = { tensors: { pixel_values } };
    const total = pixels.reduce((a, b) => a + b, 0);
    const { data } = await runner.answerLogits({ image }, [1, 2, 3]);
    for (const [i, read] of [[0], [0, 1], [0, 1, 2]].entries())
      near(
        data.subarray(i * WORDS, (i + 1) * WORDS),
        expectedLogits(read, 1).map((x) => x + total),
      );
    expect(await runner.generate({ image, tokens: 9 })).toMatchObject({ text: 'bcde', imageTokens: 4 });
    const encoded = await runner.encodeImage(image);
    expect(encoded).toMatchObject({ rows: 4 });
    const tiles = { tensors: { pixel_values: { ...pixel_values, dims: [1, 1, 1, 4, 4] } } };
    await expect(runner.generate({ image: tiles })).rejects.toThrow(/rows and columns/);
    await expect(runner.generate({ prompt: 'a' })).rejects.toMatchObject({ code: 'run-image' });
    await runner.close();
  });
});

describe('a decoder with the picture in its prompt', () => {
  const folder = (): string => {
    const path = writeSmallPackage(join(work, `merged${++folders}`));
    const words = ['#', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'];
    writeFileSync(join(path, 'vocab.json'), JSON.stringify({ vocab: Object.fromEntries(words.map((w, i) => [w, i])) }));
    const config = { model_type: 'small', image_token_index: 0, image_seq_length: 9, text_config: { head_dim: 8 } };
    writeFileSync(join(path, 'config.json'), JSON.stringify(config));
    return path;
  };

  it('has as many places as the encoder returns rows', async () => {
    const runner = openRunner(folder(), { executor });
    const answer = await runner.generate({ image: picture, prompt: 'abc', tokens: 5 });
    expect(answer).toMatchObject({ imageTokens: IMAGE_TOKENS, promptTokens: IMAGE_TOKENS + 3 });
    expect(answer.notes).toContain(
      `The configuration declares 9 image tokens, and the encoder returns ${IMAGE_TOKENS}; the prompt has ${IMAGE_TOKENS}.`,
    );
    const again = await runner.generate({ image: picture, prompt: '#abc', tokens: 5 });
    expect(again.ids).toEqual(answer.ids);
    await expect(runner.generate({ image: picture, prompt: '##abc' })).rejects.toThrow(/holds 2 times #/);
    await runner.close();
  });

  it('does not compare with texts', () => {
    expect(() => openDualRunner(folder(), { executor })).toThrow(/writes answers/);
  });
});

describe('a dual encoder', () => {
  /** Text tower of a fixed length: the sum of one-hot rows of the tokens that count. */
  function textTower(length: number | string): Model {
    const n = new Net();
    const { graph } = n.model;
    const ids = graph.addInput('input_ids', { elemType: DType.INT64, shape: ['batch', length] });
    const mask = graph.addInput('attention_mask', { elemType: DType.INT64, shape: ['batch', length] });
    const eye = Float32Array.from({ length: WORDS * WORDS }, (_, i) => Number(i % (WORDS + 1) === 0));
    const rows = n.op('Gather', [n.constant(f32(eye, [WORDS, WORDS])), ids]);
    const weights = n.op('Unsqueeze', [n.op('Cast', [mask], { to: int(DType.FLOAT) }), n.ints(2)]);
    const out = n.op('ReduceSum', [n.op('Mul', [rows, weights]), n.ints(1)], { keepdims: int(0) });
    out.name = 'text_embeds';
    graph.outputs.push(out);
    return n.model;
  }
  /** Image tower: the first row of pixels, with two zeros. */
  function imageTower(): Model {
    const model = rowEncoder();
    const [states] = model.graph.outputs.splice(0);
    const [first] = model.graph.emit('Slice', [
      states!,
      ...[0, 1, 1].map((v) => model.graph.addInitializer(model.graph.freshName('i'), i64([v]))),
    ]);
    const [out] = model.graph.emit('Squeeze', [first!, model.graph.addInitializer('axis', i64([1]))], {
      outputName: 'image_embeds',
    });
    model.graph.outputs.push(out!);
    return model;
  }
  const pixels = Float32Array.from({ length: 16 }, (_, i) => (i < 4 ? [3, 4, 0, 0][i]! : 9));
  const image = { tensors: { pixel_values: { dtype: DType.FLOAT, dims: [1, 1, 4, 4], data: pixels } } };

  it.each([6, 'sequence'])('gives cosines, with texts of length %s', async (length) => {
    const folder = packageOf({ 'vision_model.onnx': imageTower(), 'text_model.onnx': textTower(length) });
    const runner = openDualRunner(folder, { executor });
    const { scores, times } = await runner.compare(image, ['a', 'ab', 'cc', 'bbb']);
    // The picture is (0.6, 0.8, 0, ...).
    near(scores, [0.6, 1.4 / Math.SQRT2, 0, 0.8]);
    expect(times.texts).toHaveLength(4);
    if (length === 6)
      await expect(runner.compare(image, ['abcdefa'])).rejects.toMatchObject({ code: 'prompt-too-long' });
    await runner.close();
  });

  it('writes no answers', () => {
    const folder = packageOf({ 'vision_model.onnx': imageTower(), 'text_model.onnx': textTower(6) });
    expect(() => openRunner(folder, { executor })).toThrow(/writes no answers/);
  });
});

describe('replaced parts of a package', () => {
  it('take the place of the files, with ports of their own', async () => {
    const folder = packageOf({ 'model.onnx': countingDecoder() });
    const other = countingDecoder();
    other.graph.addInput('style', { elemType: DType.FLOAT, shape: ['batch', 8] });
    const styled = openRunner(folder, { executor, replaced: new Map([['model', other]]) });
    await expect(styled.generate({ prompt: 'a' })).rejects.toMatchObject({ code: 'run-input' });
    const short = openRunner(folder, { executor, configs: { 'generation_config.json': { eos_token_id: 2 } } });
    expect(await short.generate({ prompt: 'a', tokens: 9 })).toMatchObject({ ids: [1, 2], stop: 'end' });
    await short.close();
  });
});
