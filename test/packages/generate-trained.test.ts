/** The runner's answers of trained packages: as an independent Python program gives them, and as right as the packages are. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { parseNpy } from '../../src/main/data/npy.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { seededRandom } from '../../src/main/engine/random.ts';
import { openRunner } from '../../src/main/pipeline/prepare/open-runner.ts';
import { createExecutor } from '../../src/main/runtime/executor.ts';
import { assetPath } from '../support/assets.ts';
import { referenceAnswers, referencePython } from '../support/reference.ts';

const work = mkdtempSync(join(tmpdir(), 'secateur-trained-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe.skipIf(referencePython === null || assetPath('packages/stories260k') === null)('trained packages', () => {
  it('a language model gives the story of Python', async () => {
    const path = assetPath('packages/stories260k')!;
    const prompt = 'Lily and Tom went to the café';
    const [wanted] = referenceAnswers<{ answer: number[]; text: string }>([
      { kind: 'stories', package: path, prompt, tokens: 100 },
    ]);
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
  it('reads about 84 of 100 sequences, and each as Python does', async () => {
    const grids = await digitGrids(100);
    const path = assetPath('packages/digitgrid')!;
    const runner = openRunner(path, { executor: createExecutor() });
    try {
      const answers = [];
      for (const { file } of grids) answers.push(await runner.generate({ image: file, tokens: 18 }));
      const right = answers.filter((a, i) => a.text === grids[i]!.digits).length;
      expect(right).toBeGreaterThanOrEqual(78);
      expect(right).toBeLessThanOrEqual(92);
      if (referencePython === null) return;
      const images = grids.slice(0, 20).map((g) => g.file);
      const [wanted] = referenceAnswers<{ answers: number[][] }>([
        { kind: 'digits', package: path, images, tokens: 18 },
      ]);
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

  it.skipIf(referencePython === null)(
    'reads formulas of its own size as Python does',
    async () => {
      const path = assetPath('packages/comer')!;
      const images = rows()
        .filter((_, i) => i % 240 === 3)
        .map((r) => r.image);
      const [wanted] = referenceAnswers<{ answers: number[][] }>([
        { kind: 'formulas', package: path, images, tokens: 60 },
      ]);
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
      const picked = rows().filter((_, i) => i < 100 && i % 20 === 0);
      let right = 0;
      for (const { image: file, high, wide, latex } of picked) {
        const { image: read } = await runner.encodeImage(file);
        const pixels = read.tensors['pixel_values']!;
        const [height, width] = pixels.dims.slice(-2) as [number, number];
        const mask = Uint8Array.from({ length: height * width }, (_, i) =>
          Number(Math.floor(i / width) >= high || i % width >= wide),
        );
        const pixel_mask = { dtype: DType.BOOL, dims: [1, height, width], data: mask };
        const image = { tensors: { ...read.tensors, pixel_mask } };
        const { text: answer } = await runner.generate({ image, tokens: 60 });
        if (plain(answer) === plain(latex)) right++;
      }
      expect(picked).toHaveLength(5);
      expect(right).toBeGreaterThanOrEqual(2);
    } finally {
      await runner.close();
    }
  }, 60_000);
});

it.skipIf(assetPath('packages/digitgrid') !== null)('skipped: the trained packages are not here', () => undefined);
