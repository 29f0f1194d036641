/** `tokens` with cuts inside the decoder: the files, the answers by every route, the sizes that are measured, refusals. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FewerTokensReport, FewerTokensRequest, MarkRoute } from '../../src/shared/model/fewer-tokens.ts';
import { renderTokens } from '../../src/main/cli/render-tokens.ts';
import { imageNoteOf } from '../../src/main/engine/families/image-tokens.ts';
import type { StageContext } from '../../src/main/pipeline/context.ts';
import type { MeasureInput } from '../../src/main/pipeline/measure/measure.ts';
import { openPackage } from '../../src/main/pipeline/prepare/open-package.ts';
import { openRunner } from '../../src/main/pipeline/prepare/open-runner.ts';
import { fewerTokens } from '../../src/main/pipeline/tokens/fewer-tokens.ts';
import { randomFeeds } from '../../src/main/runtime/random-inputs.ts';
import { openModelFile, saveModelFile } from '../../src/main/storage/model-files.ts';
import { plainExecutor } from '../support/executor.ts';
import { writeAnsweringPackage } from '../support/small-answering-package.ts';
import { plainDecoder, SMALL } from '../support/small-decoder.ts';
import { visionEncoder } from '../support/small-package.ts';

const work = mkdtempSync(join(tmpdir(), 'secateur-inside-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const picture = join(work, 'picture.png');
const source = join(work, 'source');

beforeAll(async () => {
  writeAnsweringPackage(source, {}, true);
  const data = Uint8Array.from({ length: 64 * 48 * 3 }, (_, i) => (i * i) & 255);
  await sharp(data, { raw: { width: 64, height: 48, channels: 3 } })
    .png()
    .toFile(picture);
});

/** Sizes and files of every phase that is measured; the times are equal. */
let measured: MeasureInput['models'] = [];
let longest = 0;
const context = {
  executor: plainExecutor,
  progress: () => undefined,
  log: () => undefined,
  inSubprocess: (_: string, input: unknown) => {
    measured = (input as MeasureInput).models;
    longest = (input as MeasureInput).options.maxSeconds!;
    const stats = { p50Ms: 1, p90Ms: 1, p95Ms: 1, p99Ms: 1, meanMs: 1, minMs: 1, stdMs: 0, noiseMs: 0, runs: 5, batch: 1, threads: 1, provider: 'cpu' }; // prettier-ignore
    return Promise.resolve(measured.map(() => ({ stats })));
  },
} as unknown as StageContext;

const make = (o: Partial<FewerTokensRequest>): Promise<FewerTokensReport> =>
  fewerTokens({ package: source, keep: { tokens: 4 }, method: 'all', out: null, images: [], prompts: [], settings: { tokens: 9, prompt: 4 }, provider: 'cpu', threads: 1, ...o }, context); // prettier-ignore
const reasonOf = async (o: Partial<FewerTokensRequest>): Promise<string> => make(o).then(() => '', (e: unknown) => (e as Error).message); // prettier-ignore

describe('a package whose decoder drops image tokens', () => {
  it('is written whole, and answers alike by every route', async () => {
    const answers: number[][] = [];
    const whole = openRunner(source, { executor: plainExecutor });
    const before = await whole.answerLogits({ image: picture, prompt: 'abc' }, [1, 2, 3]);
    await whole.close();
    for (const marks of ['flag', 'span', 'input'] as MarkRoute[]) {
      const out = join(work, marks);
      const report = await make({ method: 'decoder-feather', marks, out, images: [picture], prompts: ['abc'] });
      expect(report).toMatchObject({ tokens: 16, asked: 4, marks: { route: marks } });
      expect(report.results).toMatchObject([{ tokens: 4, how: '8 to 12 from layer 1 on, 4 from layer 2 on, of 4 layers', answers: { answers: 1 } }]); // prettier-ignore
      const own = ['onnx/decoder_model_merged.onnx'];
      const others = ['onnx/embed_tokens.onnx', 'onnx/vision_encoder.onnx'];
      expect(report.written).toMatchObject(
        marks === 'flag'
          ? { changed: [...own, ...others], leftOut: ['onnx/vision_encoder_fp16.onnx'] }
          : { changed: own, leftOut: [] },
      );
      if (marks !== 'flag') for (const file of others) expect(readFileSync(join(out, file))).toEqual(readFileSync(join(source, file))); // prettier-ignore
      const runner = openRunner(out, { executor: plainExecutor });
      const { data } = await runner.answerLogits({ image: picture, prompt: 'abc' }, [1, 2, 3]);
      answers.push(Array.from(data));
      await runner.close();
    }
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
    expect(answers[0]).not.toEqual(Array.from(before.data));
    expect(readdirSync(work).filter((name) => name.includes('scratch'))).toEqual([]);
  });

  it('is measured with the lengths that its caches have', async () => {
    await make({ method: 'decoder-fastv', layers: [1, 3] });
    // A prompt of 4 and a picture of 16, and 4 of 8 further tokens: 16, 8 and 4 image tokens are left in the layers.
    const [, decode] = ['prefill', 'decode'].map((name) => measured.filter((m) => m.name === name).at(-1)!);
    expect(decode!.dims).toMatchObject({ past: 24, past_from_layer_1: 16, past_from_layer_3: 12, total: 25, seq: 1 });
    for (const marks of ['flag', 'span', 'input'] as MarkRoute[]) {
      const out = join(work, `measured-${marks}`);
      await make({ method: 'decoder-fastv', layers: [1, 3], marks, out });
      const pkg = openPackage(out, { settings: { image: 16, prompt: 4, tokens: 9 } });
      const { dims } = pkg.workload.phases.find((p) => p.name === 'decode')!;
      expect(dims).toMatchObject({ past: 24, past_from_layer_1: 16, past_from_layer_3: 12 });
      // Inputs that are made up mark the picture, so the first run leaves as many tokens as a real one.
      const model = openModelFile(pkg.fileOf('decoder_model_merged'));
      expect(imageNoteOf(model)).toMatchObject({ route: marks, count: 16 });
      const session = await plainExecutor.open(model);
      const lengths = async (sizes: Readonly<Record<string, number>>): Promise<number[]> => {
        const outputs = await session.run(randomFeeds(model, { dims: sizes }));
        return [0, 1, 2, 3].map((i) => outputs[`present.${i}.key`]!.dims[2]!);
      };
      const prefill = pkg.workload.phases.find((p) => p.name === 'prefill')!.dims;
      expect(await lengths(prefill)).toEqual([20, 12, 12, 8]);
      expect(await lengths(dims)).toEqual([25, 17, 17, 13]);
      await session.release();
    }
  });

  it('is written without times where none are wanted', async () => {
    measured = [];
    const report = await make({ method: 'decoder-random', measure: false, out: join(work, 'untimed') });
    expect(measured).toEqual([]);
    const text = renderTokens(report);
    expect(text).toMatch(/NOT MEASURED/);
    expect(text).not.toMatch(/ratio|Times are/);
  });

  it('stands in the table beside the other methods', async () => {
    const report = await make({ images: [picture] });
    const inside = report.results.filter((r) => r.method.startsWith('decoder-'));
    expect(inside.map((r) => r.method)).toEqual(['decoder-fastv', 'decoder-feather', 'decoder-pyramiddrop', 'decoder-random', 'decoder-uniform']); // prettier-ignore
    expect(report.results.some((r) => r.method === 'random')).toBe(true);
    // A long table takes no longer than a short one.
    expect(measured.length).toBeGreaterThan(20);
    expect(longest).toBe(20);
    expect(inside.every((r) => r.tokens === 4 && r.answers)).toBe(true);
    const text = renderTokens(report);
    expect(text).toMatch(/decoder-\*: image tokens are marked by flag: /);
    expect(text).toMatch(/does not run in transformers\.js: .* calls it batch\n/);
    expect(text).toMatch(/does not run in onnxruntime-genai/);
  });

  it('gets its marks by another route where the usual one is not possible, with the reason', async () => {
    const folder = writeAnsweringPackage(join(work, 'two-outputs'), {}, true);
    const vision = visionEncoder(SMALL.width);
    const features = vision.graph.outputs[0]!;
    vision.graph.outputs.push(features.producer!.input(0)!);
    saveModelFile(vision, join(folder, 'onnx/vision_encoder.onnx'));
    const { marks } = await make({ package: folder, method: 'decoder-uniform' });
    expect(marks).toMatchObject({ route: 'span', reason: expect.stringMatching(/flag is not possible.*2 outputs/) });
    expect(await reasonOf({ package: folder, method: 'decoder-uniform', marks: 'flag' })).toMatch(/2 outputs/);
  });

  it('is refused with the reason', async () => {
    const one = (o: Partial<FewerTokensRequest>): Promise<string> => reasonOf({ method: 'decoder-uniform', ...o });
    expect(await one({ layers: [9] })).toMatch(/no layer 9.*layers 1 to 3/);
    expect(await one({ layers: [0] })).toMatch(/first layer keeps the whole cache/);
    expect(await one({ layers: [2, 1] })).toMatch(/from the first to the last/);
    expect(await one({ method: 'decoder-magic' })).toMatch(/no token method decoder-magic.*decoder-feather/);
    const written = join(work, 'twice');
    await make({ method: 'decoder-uniform', out: written });
    expect(await one({ package: written })).toMatch(/drops image tokens already/);
    const withDecoder = (name: string, model: ReturnType<typeof plainDecoder>): string => {
      const folder = writeAnsweringPackage(join(work, name), {}, true);
      saveModelFile(model, join(folder, 'onnx/decoder_model_merged.onnx'));
      return folder;
    };
    expect(await one({ package: withDecoder('window', plainDecoder({ odd: 'positions in the mask' })) })).toMatch(/cannot be used on this package: /); // prettier-ignore
    expect(await one({ package: withDecoder('single', plainDecoder({ layers: 1 })) })).toMatch(/one layer/);
  });
});
