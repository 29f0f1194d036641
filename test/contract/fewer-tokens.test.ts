/** Packages with fewer visual tokens: the files of the new package, its answers, and refusals. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FewerTokensReport, FewerTokensRequest } from '../../src/shared/model/fewer-tokens.ts';
import { renderTokens } from '../../src/main/cli/render-tokens.ts';
import type { StageContext } from '../../src/main/pipeline/context.ts';
import type { MeasureInput } from '../../src/main/pipeline/measure/measure.ts';
import { openRunner } from '../../src/main/pipeline/prepare/open-runner.ts';
import { klSum } from '../../src/main/pipeline/tokens/compare-answers.ts';
import { fewerTokens } from '../../src/main/pipeline/tokens/fewer-tokens.ts';
import { ratios } from '../../src/main/pipeline/tokens/measure-uses.ts';
import { plainExecutor } from '../support/executor.ts';
import { assets } from '../support/packages.ts';
import { writeAnsweringPackage } from '../support/small-answering-package.ts';
import { steadyMeasure } from '../support/steady-measure.ts';
import { unmeasured } from '../support/unmeasured.ts';

const work = mkdtempSync(join(tmpdir(), 'secateur-fewer-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const picture = join(work, 'picture.png');
const small = join(work, 'small');

beforeAll(async () => {
  writeAnsweringPackage(small);
  const data = Uint8Array.from({ length: 64 * 48 * 3 }, (_, i) => (i * i) & 255);
  await sharp(data, { raw: { width: 64, height: 48, channels: 3 } })
    .png()
    .toFile(picture);
});

const context = {
  executor: plainExecutor,
  progress: () => undefined,
  log: () => undefined,
  inSubprocess: (_: string, input: unknown) => steadyMeasure(input as MeasureInput),
} as unknown as StageContext;

const make = (o: Partial<FewerTokensRequest>, ctx = context): Promise<FewerTokensReport> =>
  fewerTokens({ package: small, keep: { tokens: 4 }, method: 'all', out: null, images: [], prompts: [], settings: { tokens: 4, prompt: 4 }, provider: 'cpu', threads: 1, ...o }, ctx); // prettier-ignore
const json = (...path: string[]): unknown => JSON.parse(readFileSync(join(work, ...path), 'utf8'));

describe('a package with fewer visual tokens', () => {
  it('is written whole, with its counts, and answers', async () => {
    const out = join(work, 'pooled');
    const report = await make({ method: 'pool', out, images: [picture], prompts: ['abc'] });
    expect(report).toMatchObject({ tokens: 16, asked: 4, written: { leftOut: ['onnx/vision_encoder_fp16.onnx'] } });
    expect(report.written!.changed).toEqual(['config.json', 'onnx/vision_encoder.onnx', 'processor_config.json']);
    expect(json('pooled', 'processor_config.json')).toEqual({ image_seq_length: 4 });
    expect(json('pooled', 'config.json')).toMatchObject({ mm_tokens_per_image: 4 });
    for (const file of ['onnx/embed_tokens.onnx', 'vocab.json', 'preprocessor_config.json'])
      expect(readFileSync(join(out, file))).toEqual(readFileSync(join(small, file)));
    expect(readdirSync(join(out, 'onnx'))).not.toContain('vision_encoder_fp16.onnx');
    expect(existsSync(join(out, '.hidden'))).toBe(false);
    const runner = openRunner(out, { executor: plainExecutor });
    const answer = await runner.generate({ image: picture, prompt: 'abc', tokens: 4 });
    await runner.close();
    expect(answer.imageTokens).toBe(4);
    const [result] = report.results;
    expect(result!.answers).toMatchObject({ answers: 1, shown: [{ prompt: 'abc', after: answer.text }] });
    expect(result!.answers!.kl).toBeGreaterThan(0);
    expect(result!.ratios.find((r) => r.name === 'prefill')!.ratio).toBeLessThan(1);
    expect(result!.ratios.find((r) => r.name === 'embed-step')).toMatchObject({ ratio: 1, noise: 0 });
    expect(readdirSync(work).filter((name) => name.includes('scratch'))).toEqual([]);
  });

  it('is compared with all methods, and says first that nothing is judged without pictures', async () => {
    const report = await make({ keep: { share: 0.45 } });
    const tokens = Object.fromEntries(report.results.map((r) => [r.method, r.tokens]));
    // The grid of 4 x 4 cannot be divided into seven cells.
    expect(tokens).toMatchObject({ random: 7, stride: 7, dpp: 7, pool: 6 });
    const refused = Object.fromEntries(report.refused.map((r) => [r.method, r.reason]));
    expect(refused['tome']).toMatch(/weighs merged tokens/);
    expect('pixels' in refused || 'pixels' in tokens).toBe(true);
    const text = renderTokens(report);
    expect(text).toMatch(/^NOT JUDGED: no pictures were given/);
    expect(text).toMatch(/not possible here\n/);
    const judged = await make({ images: [picture] });
    expect(renderTokens(judged)).not.toContain('NOT JUDGED');
  });

  it.each<[string, Partial<FewerTokensRequest>, string, RegExp]>([
    ['an unknown method', { method: 'magic' }, 'tokens-method', /no token method magic.*pixels/],
    ['a method that lacks something', { method: 'tome' }, 'tokens-method-refused', /weighs merged tokens/],
    ['all tokens', { keep: { tokens: 16 } }, 'tokens-keep', /gives 16/],
    ['a folder that exists', { method: 'dpp', out: work }, 'out-unusable', /exists already/],
    ['a folder inside the package', { method: 'dpp', out: join(small, 'out') }, 'out-unusable', /inside the package/],
    ['the setting of the picture', { settings: { image: 3 } }, 'workload-setting', /--keep/],
  ])('refuses %s', async (_, o, code, message) => {
    const error = await make(o).then(
      () => null,
      (e: unknown) => e as { code: string; message: string },
    );
    expect(error?.code).toBe(code);
    expect(error?.message).toMatch(message);
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['an unknown model', { model_type: 'small' }, /not known where runners of small/],
    ['counts from the grid', { model_type: 'qwen2_vl' }, /grid of patches/],
  ])('refuses a configuration with %s', async (name, config, message) => {
    const folder = writeAnsweringPackage(join(work, name), config);
    await expect(make({ package: folder })).rejects.toThrow(message);
  });

  it('refuses a package without a vision component', async () => {
    const folder = writeAnsweringPackage(join(work, 'blind'));
    for (const name of ['vision_encoder.onnx', 'vision_encoder_fp16.onnx']) rmSync(join(folder, 'onnx', name));
    await expect(make({ package: folder })).rejects.toThrow(/no vision component/);
  });
});

describe('figures', () => {
  it('KL of two sets of logits', () => {
    const logits = (...data: number[]) => ({ data: Float32Array.from(data), rows: 2, vocabulary: 2 });
    const p = logits(Math.log(3), 0, 5, 5);
    // Row 0: (3/4, 1/4) to (1/2, 1/2); row 1 is equal up to a constant.
    expect(klSum(p, logits(1, 1, 0, 0))).toBeCloseTo(0.75 * Math.log(1.5) + 0.25 * Math.log(0.5), 6);
    expect(klSum(p, p)).toBe(0);
  });

  it('ratios are medians over openings', () => {
    const time = (ms: number): ReadonlyMap<string, { ms: number; noiseMs: number }> =>
      new Map([['total', { ms, noiseMs: 0 }]]);
    const [total] = ratios([2, 3, 40].map((ms) => [time(ms), time(4)] as const));
    expect(total).toMatchObject({ name: 'total', ratio: 0.75 });
    expect(total!.noise).toBeGreaterThan(1);
  });
});

describe.skipIf(!assets)('packages in layouts of exporters', () => {
  it.each([
    ['smolvlm-decomposed', 'dpp', 8, 5 * 8],
    ['smolvlm-decomposed', 'pool', 8, 5 * 8],
    ['llava-decomposed', 'dpp', 16, 16],
    ['llava-decomposed', 'pool', 16, 16],
  ] as const)(
    '%s keeps %s %i',
    async (name, method, keep, tokens) => {
      const out = join(work, `${name}-${method}`);
      const options = { package: join(assets!, name), method, keep: { tokens: keep }, out };
      const report = await make({ ...options, images: [picture], prompts: ['What is this?'] }, unmeasured);
      expect(report.results).toMatchObject([{ method, tokens, answers: { answers: 1 } }]);
      const runner = openRunner(out, { executor: plainExecutor });
      const { rows, notes } = await runner.encodeImage(picture);
      await runner.close();
      expect(rows % keep).toBe(0);
      expect(notes.filter((n) => n.includes('declares'))).toEqual([]);
    },
    60_000,
  );

  it('refuses counts that follow an input', async () => {
    const path = join(assets!, 'qwen2vl-like');
    await expect(make({ package: path })).rejects.toMatchObject({ code: 'tokens-refused', message: expect.stringContaining('grid_thw') }); // prettier-ignore
  });
});

it.skipIf(assets)('skipped: ../shared/packages is not here', () => undefined);
