/** Packages whose selected tokens keep their positions: files, answers and refusals. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { FewerTokensReport, FewerTokensRequest } from '../../src/shared/model/fewer-tokens.ts';
import type { StageContext } from '../../src/main/pipeline/context.ts';
import { openRunner } from '../../src/main/pipeline/prepare/open-runner.ts';
import { fewerTokens } from '../../src/main/pipeline/tokens/fewer-tokens.ts';
import { plainExecutor } from '../support/executor.ts';
import { writeAnsweringPackage } from '../support/small-answering-package.ts';

const work = mkdtempSync(join(tmpdir(), 'secateur-kept-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const [picture, deep] = [join(work, 'picture.png'), join(work, 'deep')];
beforeAll(async () => {
  writeAnsweringPackage(deep, {}, true);
  const data = Uint8Array.from({ length: 64 * 48 * 3 }, (_, i) => (i * i) & 255);
  await sharp(data, { raw: { width: 64, height: 48, channels: 3 } })
    .png()
    .toFile(picture);
});

const ctx = { executor: plainExecutor, progress: () => undefined, log: () => undefined } as unknown as StageContext;
const make = (o: Partial<FewerTokensRequest>): Promise<FewerTokensReport> =>
  fewerTokens({ package: deep, keep: { tokens: 4 }, method: 'stride', out: null, measure: false, images: [picture], prompts: ['abc'], settings: { tokens: 4, prompt: 4 }, provider: 'cpu', threads: 1, ...o }, ctx); // prettier-ignore

it('is written with three components, and reads text as before', async () => {
  const out = join(work, 'kept');
  const report = await make({ out });
  expect(report.written!.changed.filter((f) => f.endsWith('.onnx'))).toEqual(['onnx/decoder_model_merged.onnx', 'onnx/embed_tokens.onnx', 'onnx/vision_encoder.onnx']); // prettier-ignore
  expect(report.notes.join()).toContain('keep the positions');
  const [before, after] = [deep, out].map((folder) => openRunner(folder, { executor: plainExecutor }));
  const ask = { prompt: 'abcab' };
  const [want, got] = [await before!.prefillLogits(ask), await after!.prefillLogits(ask)];
  got.data.forEach((x, i) => expect(Number(x)).toBeCloseTo(Number(want.data[i]), 4));
  const texts = await Promise.all([before!, after!].map((r) => r.generate({ ...ask, tokens: 4 })));
  expect(texts[1]!.text).toBe(texts[0]!.text);
  expect((await after!.generate({ image: picture, prompt: 'abc', tokens: 4 })).imageTokens).toBe(4);
  await Promise.all([before!.close(), after!.close()]);
  await expect(make({ package: out })).rejects.toMatchObject({ code: 'tokens-refused' });
});

it('changes answers about the picture otherwise than new positions, which change the encoder alone', async () => {
  const anew = await make({ out: join(work, 'new'), positions: 'new' });
  expect(anew.written!.changed.filter((f) => f.endsWith('.onnx'))).toEqual(['onnx/vision_encoder.onnx']);
  const kept = await make({ out: join(work, 'again') });
  expect(kept.results[0]!.answers!.kl).not.toBeCloseTo(anew.results[0]!.answers!.kl, 6);
});

it('says why positions are numbered anew', async () => {
  const small = writeAnsweringPackage(join(work, 'small'));
  const report = await make({ package: small });
  expect(report.notes.join()).toMatch(/number the selected tokens anew.*cannot keep their positions: /);
});
