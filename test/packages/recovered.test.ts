/**
 * Packages in layouts of exporters, with fewer visual tokens and trained for a moment: fused attention, branches, caches of
 * cross-attention, and decoders in two files. An independent Python program gives the tokens of the runner.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
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
  ['smolvlm-gqa', [PROMPT]],
  ['llava-decomposed', [PROMPT]],
  ['vitgpt2-optimum', []],
  ['blip-caption', []],
] as const;

describe.skipIf(!assets)('a package in the layout of', () => {
  it.each(LAYOUTS)(
    '%s',
    async (name, prompts) => {
      const out = join(work, name);
      const recover = { seconds: 1, by: 'full', rank: 8, alpha: 16 } as const;
      const report = await fewerTokens(
        { package: join(assets!, name), keep: { share: 0.25 }, method: 'stride', out, measure: false, images, prompts: [...prompts], settings: { tokens: 4 }, provider: 'cpu', threads: 1, recover }, // prettier-ignore
        ctx,
      );
      const { recovery } = report.results[0]!;
      expect(recovery).toMatchObject({ questions: { train: 7, choose: 1, judge: 2 }, by: 'full' });
      expect(recovery!.steps).toBeGreaterThan(0);
      expect(recovery!.chosen.after).toBeLessThanOrEqual(recovery!.chosen.before);
      // The runner has compared the written weights with the trained ones.
      if (!hasPython || !name.startsWith('smolvlm')) return;
      const request = { image: images[0]!, prompt: PROMPT, tokens: 8 };
      const [wanted] = referenceAnswers<{ answer: number[] }>([{ ...request, kind: 'smolvlm', package: out }]);
      const runner = openRunner(out, { executor: plainExecutor });
      expect((await runner.generate(request)).ids).toEqual(wanted!.answer);
      await runner.close();
    },
    60_000,
  );
});

it.skipIf(assets)('skipped: ../shared/packages is not here', () => undefined);
