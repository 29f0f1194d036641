/** `secateur tokens` on a dual encoder: tokens go inside its image encoder, and retrieval is judged. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FewerTokensReport, FewerTokensRequest } from '../../src/shared/model/fewer-tokens.ts';
import { renderTokens } from '../../src/main/cli/render-tokens.ts';
import { seededRandom } from '../../src/main/engine/random.ts';
import { openDualRunner } from '../../src/main/pipeline/prepare/open-runner.ts';
import { runTokens } from '../../src/main/tasks/tokens.ts';
import { plainExecutor } from '../support/executor.ts';
import { DUAL_SIDE, writeDualPackage } from '../support/small-dual-package.ts';
import { unmeasured } from '../support/unmeasured.ts';

const work = mkdtempSync(join(tmpdir(), 'secateur-dual-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const folder = join(work, 'dual');
const path = join(work, 'texts.csv');
const COUNT = 12;
const LABELS = ['a', 'b', 'cd', 'de', 'ace', 'eb'];
const pictures = Array.from({ length: COUNT }, (_, i) => ({ image: join(work, `${i}.png`), text: LABELS[i % LABELS.length]! })); // prettier-ignore

beforeAll(async () => {
  writeDualPackage(folder);
  const random = seededRandom(3);
  const side = 4 * DUAL_SIDE;
  for (const { image } of pictures) {
    const data = Uint8Array.from({ length: side * side * 3 }, () => random.int(256));
    await sharp(data, { raw: { width: side, height: side, channels: 3 } }).png().toFile(image); // prettier-ignore
  }
  writeFileSync(path, `image,text\n${pictures.map(({ image, text }) => `${image},${text}`).join('\n')}\n`);
});

const make = (o: Partial<FewerTokensRequest>): Promise<FewerTokensReport> =>
  runTokens({ package: folder, keep: { tokens: 9 }, method: 'all', out: null, images: [], prompts: [], settings: {}, provider: 'cpu', threads: 1, ...o }, unmeasured); // prettier-ignore
const questions = { path, localisation: null };

/** Pictures whose nearest text is theirs, by the runner's own comparison. */
async function top1(source: string): Promise<number> {
  const runner = openDualRunner(source, { executor: plainExecutor });
  let right = 0;
  for (const { image, text } of pictures) {
    const { scores } = await runner.compare(image, LABELS);
    right += Number(LABELS[scores.indexOf(Math.max(...scores))] === text);
  }
  await runner.close();
  return right;
}

describe('a dual encoder with fewer tokens', () => {
  it('is compared by every method that its image encoder allows', async () => {
    const report = await make({ questions });
    const tokens = Object.fromEntries(report.results.map((r) => [r.method, r.tokens]));
    // The class token stays beside nine others.
    expect(tokens).toMatchObject({ random: 10, stride: 10, dpp: 10, evit: 10, tome: 10, pool: 10 });
    expect(report.refused).toMatchObject([{ method: 'pixels', reason: expect.stringMatching(/convolutions/) as string }]); // prettier-ignore
    const { original } = report.retrieval!;
    expect(original).toMatchObject({ pictures: COUNT, texts: LABELS.length, top1: await top1(folder), equal: COUNT, hard: null }); // prettier-ignore
    expect(original.cosine).toBeCloseTo(1, 6);
    for (const { retrieval } of report.results) expect(retrieval!.cosine).toBeLessThan(1);
    const text = renderTokens(report);
    expect(text).toMatch(/^WARNING: DAMAGE TO PLACES IS NOT MEASURED/);
    expect(text).toMatch(/method +tokens +top-1 +top-5 +R@1 +R@5 +equal +cosine\noriginal +37 /);
  });

  it('is written whole, and judged as it was written', async () => {
    const out = join(work, 'fewer');
    const report = await make({ questions, method: 'stride', out });
    expect(report.written!.changed).toEqual(['onnx/vision_model.onnx']);
    expect(report.results).toMatchObject([{ method: 'stride', tokens: 10, how: 'behind layer 1 of 3', retrieval: { top1: await top1(out) } }]); // prettier-ignore
    expect(report.baselines.map((b) => b.method)).toEqual(['random', 'pool']);
    expect(renderTokens(report)).toContain('--texts a,b');
  });

  it.each<[string, Partial<FewerTokensRequest>, string, RegExp]>([
    ['pictures without texts', { images: [path] }, 'usage', /judged with --questions/],
    ['kinds of questions', { questions: { path, localisation: ['where'] } }, 'usage', /--localisation/],
    ['an unknown method', { method: 'magic' }, 'tokens-method', /no token method magic/],
    ['a method that lacks something', { method: 'pixels', out: join(work, 'pixels') }, 'tokens-method-refused', /convolutions/], // prettier-ignore
    ['all tokens', { keep: { tokens: 36 } }, 'tokens-keep', /gives 36/],
  ])('refuses %s', async (_, o, code, message) => {
    const error = await make(o).catch((e: unknown) => e as { code: string; message: string });
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) as string });
  });
});
