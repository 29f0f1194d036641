/** Fewer tokens in the image encoder of a dual encoder as an exporter writes it, which also returns its last states. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { openDualRunner } from '../../src/main/pipeline/prepare/open-runner.ts';
import { runTokens } from '../../src/main/tasks/tokens.ts';
import { plainExecutor } from '../support/executor.ts';
import { assets } from '../support/packages.ts';
import { unmeasured } from '../support/unmeasured.ts';

const work = mkdtempSync(join(tmpdir(), 'secateur-dual-package-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe.skipIf(!assets)('the dual encoder of an exporter', () => {
  it.each([
    ['tome', 13, ['onnx/vision_model.onnx']],
    ['pixels', 10, ['config.json', 'onnx/vision_model.onnx', 'preprocessor_config.json']],
  ])('is written with fewer tokens by %s, and compares pictures with texts', async (method, tokens, changed) => {
    const picture = join(work, 'picture.png');
    const data = Uint8Array.from({ length: 64 * 48 * 3 }, (_, i) => (i * i) & 255);
    await sharp(data, { raw: { width: 64, height: 48, channels: 3 } }).png().toFile(picture); // prettier-ignore
    const path = join(work, 'texts.csv');
    writeFileSync(path, 'image,text\npicture.png,a photo of a cat\npicture.png,a diagram\n');
    const out = join(work, method);
    const report = await runTokens(
      { package: join(assets!, 'clip-dual-optimum'), keep: { tokens: 12 }, method, out, images: [], prompts: [], questions: { path, localisation: null }, settings: {}, provider: 'cpu', threads: 1 }, // prettier-ignore
      unmeasured,
    );
    expect(report.results).toMatchObject([{ method, tokens, retrieval: { pictures: 1, texts: 2, top1: 1 } }]);
    expect(report.written!.changed).toEqual(changed);
    const runner = openDualRunner(out, { executor: plainExecutor });
    const { scores } = await runner.compare(picture, ['a photo of a cat', 'a diagram']);
    await runner.close();
    expect(scores.every((s) => Number.isFinite(s))).toBe(true);
    expect(report.notes.some((n) => n.includes('both encoders in one file'))).toBe(true);
  });
});

it.skipIf(assets)('skipped: ../shared/packages is not here', () => undefined);
