/** The runner gives the tokens of an independent Python program on packages of several layouts. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseNpy } from '../../src/main/data/npy.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { seededRandom } from '../../src/main/engine/random.ts';
import { openDualRunner, openRunner } from '../../src/main/pipeline/prepare/open-runner.ts';
import { createExecutor } from '../../src/main/runtime/executor.ts';
import { assetPath } from '../support/assets.ts';
import { python } from '../support/python.ts';

const folder = resolve(import.meta.dirname, '../../../shared/packages');
const bin = existsSync(folder) ? python() : null;

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

const expected = <T>(cases: readonly object[]): T[] =>
  JSON.parse(
    execFileSync(bin!, [resolve(import.meta.dirname, '../support/generate.py')], {
      input: JSON.stringify(cases),
      maxBuffer: 1 << 28,
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...process.env, HF_HUB_OFFLINE: '1', TRANSFORMERS_VERBOSITY: 'error' },
    }).toString(),
  ) as T[];

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
        if (wanted[i]!.pixels) {
          const { tensors } = await runner.encodeImage(picture);
          const pixels = tensors['pixel_values']!.data as Float32Array;
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

describe.skipIf(bin === null || assetPath('packages/stories260k') === null)('trained packages', () => {
  it('a language model gives the story of Python', async () => {
    const path = assetPath('packages/stories260k')!;
    const prompt = 'Lily and Tom went to the café';
    const [wanted] = expected<Expected & { text: string }>([{ kind: 'stories', package: path, prompt, tokens: 100 }]);
    const runner = openRunner(path, { executor: createExecutor() });
    try {
      const pieces: string[] = [];
      const answer = await runner.generate({ prompt, tokens: 100 }, (t) => pieces.push(t.text));
      expect(answer.ids).toEqual(wanted!.answer);
      expect(pieces.join('')).toBe(answer.text);
      expect(answer.text).toBe(wanted!.text);
    } finally {
      await runner.close();
    }
  }, 60_000);
});

/** Pictures of 2 to 16 digits in a grid, as digitgrid was trained on, with the digits in them. */
async function digitGrids(count: number): Promise<{ file: string; digits: string }[]> {
  const images = readFileSync(assetPath('data/digits_images.npy')!);
  const labels = readFileSync(assetPath('data/digits_labels.npy')!);
  const [shape, answers] = [parseNpy(images, 'images'), parseNpy(labels, 'labels')];
  const random = seededRandom(5);
  const made: { file: string; digits: string }[] = [];
  for (let s = 0; s < count; s++) {
    const chosen = Array.from({ length: 2 + random.int(15) }, () => random.int(shape.shape[0]!));
    const columns = Math.ceil(Math.sqrt(chosen.length));
    const [width, height] = [28 * columns, 28 * Math.ceil(chosen.length / columns)];
    const data = new Uint8Array(width * height);
    for (const [at, i] of chosen.entries())
      for (let y = 0; y < 28; y++)
        for (let x = 0; x < 28; x++)
          data[(Math.floor(at / columns) * 28 + y) * width + (at % columns) * 28 + x] = Number(
            shape.data[(i * 28 + y) * 28 + x],
          );
    const file = join(work, `grid-${s}.png`);
    await sharp(data, { raw: { width, height, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toFile(file);
    made.push({ file, digits: chosen.map((i) => Number(answers.data[i])).join('') });
  }
  return made;
}

describe.skipIf(assetPath('packages/digitgrid') === null)('digitgrid', () => {
  it('reads 84 % of 100 sequences, and each as Python does', async () => {
    const grids = await digitGrids(100);
    const path = assetPath('packages/digitgrid')!;
    const runner = openRunner(path, { executor: createExecutor() });
    try {
      const answers = [];
      for (const { file } of grids) answers.push(await runner.generate({ image: file, tokens: 18 }));
      const right = answers.filter((a, i) => a.text === grids[i]!.digits).length;
      expect(right).toBeGreaterThanOrEqual(78);
      expect(right).toBeLessThanOrEqual(92);
      if (bin === null) return;
      const images = grids.slice(0, 20).map((g) => g.file);
      const [wanted] = expected<{ answers: number[][] }>([{ kind: 'digits', package: path, images, tokens: 18 }]);
      expect(answers.slice(0, 20).map((a) => a.ids)).toEqual(wanted!.answers);
    } finally {
      await runner.close();
    }
  }, 120_000);
});

describe.skipIf(assetPath('packages/comer') === null)('comer', () => {
  const rows = (): { image: string; high: number; wide: number; latex: string }[] =>
    readFileSync(assetPath('data/crohme/labels.tsv')!, 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((row) => row.split('\t'))
      .map(([file, high, wide, latex]) => ({
        image: assetPath(`data/crohme/images/${file!}`)!,
        high: Number(high),
        wide: Number(wide),
        latex: latex!,
      }));

  it.skipIf(bin === null)(
    'reads formulas of its own size as Python does',
    async () => {
      const path = assetPath('packages/comer')!;
      const images = rows()
        .filter((_, i) => i % 120 === 3)
        .map((r) => r.image);
      const [wanted] = expected<{ answers: number[][] }>([{ kind: 'formulas', package: path, images, tokens: 60 }]);
      const runner = openRunner(path, { executor: createExecutor() });
      try {
        const answers = [];
        for (const image of images) answers.push(await runner.generate({ image, tokens: 60 }));
        expect(answers.map((a) => a.ids)).toEqual(wanted!.answers);
      } finally {
        await runner.close();
      }
    },
    60_000,
  );

  it('reads formulas without an error when their padding is masked', async () => {
    const runner = openRunner(assetPath('packages/comer')!, { executor: createExecutor() });
    const plain = (latex: string): string =>
      latex
        .replace(/\\left|\\right|\s/g, '')
        .replaceAll('\\lt', '<')
        .replace(/([_^])\{(\w)\}/g, '$1$2');
    try {
      const picked = rows().filter((_, i) => i < 100 && i % 10 === 0);
      let right = 0;
      for (const { image: file, high, wide, latex } of picked) {
        const { tensors } = await runner.encodeImage(file);
        const pixels = tensors['pixel_values']!;
        const [height, width] = pixels.dims.slice(-2) as [number, number];
        const mask = Uint8Array.from({ length: height * width }, (_, i) =>
          Number(Math.floor(i / width) >= high || i % width >= wide),
        );
        const image = { ...tensors, pixel_mask: { dtype: DType.BOOL, dims: [1, height, width], data: mask } };
        const { text: answer } = await runner.generate({ image, tokens: 60 });
        if (plain(answer) === plain(latex)) right++;
      }
      expect(picked).toHaveLength(10);
      expect(right).toBeGreaterThanOrEqual(3);
    } finally {
      await runner.close();
    }
  }, 60_000);
});
