/** The runner gives the tokens of an independent Python program on packages of several layouts. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDualRunner, openRunner } from '../../src/main/pipeline/prepare/open-runner.ts';
import { createExecutor } from '../../src/main/runtime/executor.ts';
import { referenceAnswers as expected, referencePython } from '../support/reference.ts';

const folder = resolve(import.meta.dirname, '../../../shared/packages');
const bin = existsSync(folder) ? referencePython : null;

const imports = (module: string): boolean => {
  try {
    execFileSync(bin!, ['-c', `import ${module}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};
const hasTransformers = bin !== null && imports('transformers');

interface Expected {
  readonly prompt: readonly number[];
  readonly answer: readonly number[];
  readonly last: readonly number[];
  readonly pixels?: readonly [number, number];
  readonly scores?: readonly number[];
}

const work = mkdtempSync(join(tmpdir(), 'secateur-generate-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** A picture with edges and gradients, 201 x 140: no side is a multiple of anything. */
const picture = join(work, 'picture.png');
beforeAll(async () => {
  const [width, height] = [201, 140];
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const inside = (x - 70) ** 2 + (y - 60) ** 2 < 1600;
      data.set(inside ? [230, (3 * y) & 255, 20] : [x, (x * y) & 255, 255 - y], (y * width + x) * 3);
    }
  await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(picture);
});

const largest = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!));
  return most;
};

const crossed = { kind: 'crossed', tokens: 24 };
const text = { kind: 'text', prompt: 'Once upon a time, there was', tokens: 16, decoder: 'model.onnx' };
const CASES: readonly (readonly [name: string, options: Record<string, unknown>])[] = [
  ['smolvlm-decomposed', { kind: 'smolvlm', prompt: 'Where is the red disc?', tokens: 24 }],
  ['smolvlm-gqa', { kind: 'smolvlm', prompt: 'Where is the red disc?', tokens: 24 }],
  ['llava-decomposed', { kind: 'llava', prompt: 'What is this?', tokens: 24 }],
  ['llava-siglip-mobius', { kind: 'llava', prompt: 'What is this?', tokens: 24 }],
  ['vitgpt2-optimum', { ...crossed, encoder: 'encoder_model.onnx', decoder: 'decoder_model_merged.onnx' }],
  ['blip-caption', { ...crossed, encoder: 'onnx/vision_model.onnx', decoder: 'onnx/text_decoder_model.onnx' }],
  [
    'blip-caption',
    { ...crossed, encoder: 'onnx/vision_model.onnx', decoder: 'onnx/text_decoder_model.onnx', prompt: 'a picture of' },
  ],
  ['qwen3moe-optimum-unrolled', text],
  ['olmoe-v5-stacked-gather', text],
  ['gptoss-genai-moe-fp32', text],
  ['mixtral-mobius', text],
];

describe.skipIf(!hasTransformers)('packages of Hugging Face layouts', () => {
  it('give the tokens of Python, with and without pictures', async () => {
    const cases = CASES.map(([name, o]) => ({
      ...o,
      package: join(folder, name),
      ...(o['kind'] !== 'text' && { image: picture }),
    }));
    const wanted = expected<Expected>(cases);
    for (const [i, { package: path, ...o }] of cases.entries()) {
      const name = `${CASES[i]![0]} ${JSON.stringify(o)}`;
      const request = {
        ...('image' in o && { image: o.image as string }),
        prompt: (o as { prompt?: string }).prompt,
        tokens: (o as unknown as { tokens: number }).tokens,
      };
      const runner = openRunner(path, { executor: createExecutor() });
      try {
        const { ids, data, rows, vocabulary } = await runner.prefillLogits(request);
        expect(ids, name).toEqual(wanted[i]!.prompt);
        expect(largest(data.subarray((rows - 1) * vocabulary), wanted[i]!.last), name).toBeLessThan(2e-4);
        const answer = await runner.generate(request);
        expect(answer.ids, name).toEqual(wanted[i]!.answer);
        // Token by token with the cache, the logits are those of reading everything at once.
        const along = await runner.answerLogits(request, answer.ids);
        const whole = await runner.prefillLogits(request, answer.ids.slice(0, -1));
        const part = whole.data.subarray((whole.rows - along.rows) * vocabulary);
        expect(largest(along.data, part), name).toBeLessThan(2e-4);
        if (wanted[i]!.pixels) {
          const { image } = await runner.encodeImage(picture);
          const pixels = image.tensors['pixel_values']!.data as Float32Array;
          const [sum, squares] = wanted[i]!.pixels!;
          expect(pixels.reduce((a, x) => a + x, 0) - sum, name).toBeCloseTo(0, 1);
          expect(pixels.reduce((a, x) => a + x * x, 0) / squares, name).toBeCloseTo(1, 5);
        }
      } finally {
        await runner.close();
      }
    }
  }, 120_000);

  it('two decoders, one without and one with a cache, answer as one merged decoder', async () => {
    const merged = join(folder, 'vitgpt2-optimum');
    const pair = join(work, 'pair');
    mkdirSync(pair);
    for (const name of readdirSync(merged))
      if (name !== 'decoder_model_merged.onnx') copyFileSync(join(merged, name), join(pair, name));
    const answers = [];
    for (const path of [merged, pair]) {
      const runner = openRunner(path, { executor: createExecutor() });
      expect(runner.parts.next?.id).toBe(path === pair ? 'decoder_with_past_model' : undefined);
      answers.push((await runner.generate({ image: picture, tokens: 20 })).ids);
      await runner.close();
    }
    expect(answers[1]).toEqual(answers[0]);
  }, 60_000);

  it('a dual encoder gives the scores of Python', async () => {
    const path = join(folder, 'clip-dual-optimum');
    const texts = ['a red disc', 'a blue square on grass', 'noise'];
    const [wanted] = expected<Expected>([{ kind: 'dual', package: path, image: picture, texts }]);
    const runner = openDualRunner(path, { executor: createExecutor() });
    try {
      const { scores } = await runner.compare(picture, texts);
      expect(largest(scores, wanted!.scores!)).toBeLessThan(1e-5);
    } finally {
      await runner.close();
    }
  }, 60_000);
});

it.skipIf(hasTransformers)(
  'skipped: needs ../shared/packages and Python with onnxruntime, pillow and transformers',
  () => undefined,
);
