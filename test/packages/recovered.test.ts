/**
 * Packages in layouts of exporters, with fewer visual tokens and trained for a moment: fused attention, branches, caches of
 * cross-attention, and decoders in two files. An independent Python program gives the tokens of the runner.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StageContext } from '../../src/main/pipeline/context.ts';
import { openRunner } from '../../src/main/pipeline/prepare/open-runner.ts';
import { fewerTokens } from '../../src/main/pipeline/tokens/fewer-tokens.ts';
import { plainExecutor } from '../support/executor.ts';
import { assets } from '../support/packages.ts';
import { referenceAnswers, referencePython } from '../support/reference.ts';

const hasPython = ((): boolean => {
  try {
    execFileSync(referencePython ?? '', ['-c', 'import transformers'], { stdio: 'ignore' });
    return assets !== null;
  } catch {
    return false;
  }
})();

const work = mkdtempSync(join(tmpdir(), 'secateur-recovered-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const images = Array.from({ length: 10 }, (_, i) => join(work, `${i}.png`));
beforeAll(async () => {
  for (const [k, path] of images.entries()) {
    const data = Uint8Array.from({ length: 96 * 96 * 3 }, (_, i) => ((i + 37 * k) * i) % 251);
    await sharp(data, { raw: { width: 96, height: 96, channels: 3 } }).png().toFile(path); // prettier-ignore
  }
});

const ctx = { executor: plainExecutor, progress: () => undefined, log: () => undefined } as unknown as StageContext;
const PROMPT = 'Where is it?';
const LAYOUTS = [
  ['llava-decomposed', 'llava', [PROMPT]],
  ['smolvlm-gqa', 'smolvlm', [PROMPT]],
  ['vitgpt2-optimum', 'crossed', []],
  ['blip-caption', 'crossed', []],
] as const;

describe.skipIf(!assets)('a package in the layout of', () => {
  it.each(LAYOUTS)('%s', async (name, _, prompts) => {
    const out = join(work, name);
    const report = await fewerTokens(
      { package: join(assets!, name), keep: { share: 0.25 }, method: 'stride', out, measure: false, images, prompts, settings: { tokens: 4 }, provider: 'cpu', threads: 1, recover: { seconds: 1, by: 'full', rank: 8, alpha: 16 } }, // prettier-ignore
      ctx,
    );
    const { recovery } = report.results[0]!;
    console.log(name, JSON.stringify(recovery!.chosen), JSON.stringify(recovery!.questions), JSON.stringify(recovery!.after?.shown), recovery!.steps, recovery!.batch, recovery!.before.kl, recovery!.after?.kl, report.written!.changed.join()); // prettier-ignore
    expect(recovery!.steps).toBeGreaterThan(0);
  });
});
