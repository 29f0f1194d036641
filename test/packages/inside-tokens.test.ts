/**
 * Packages whose decoder drops image tokens, as `secateur tokens` writes them from the layouts of exporters: an independent
 * Python program, which passes embeddings on and keeps each cache as it comes, gives the tokens of the runner.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRunner } from '../../src/main/pipeline/prepare/open-runner.ts';
import { plainExecutor } from '../support/executor.ts';
import { referenceAnswers, referencePython } from '../support/reference.ts';
import { untimedTokens } from '../support/untimed-tokens.ts';

const packages = resolve(import.meta.dirname, '../../../shared/packages');
const here = existsSync(packages);
const hasPython = ((): boolean => {
  try {
    execFileSync(referencePython ?? '', ['-c', 'import transformers'], { stdio: 'ignore' });
    return here;
  } catch {
    return false;
  }
})();

const work = mkdtempSync(join(tmpdir(), 'secateur-written-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const image = join(work, 'picture.png');
beforeAll(async () => {
  const data = Uint8Array.from({ length: 160 * 120 * 3 }, (_, i) => (i * i) % 251);
  await sharp(data, { raw: { width: 160, height: 120, channels: 3 } }).png().toFile(image); // prettier-ignore
});

const PROMPT = 'Where is the red disc?';
const KINDS = { 'smolvlm-decomposed': 'smolvlm', 'smolvlm-gqa': 'smolvlm', 'llava-decomposed': 'llava', 'llava-siglip-mobius': 'llava' } as const; // prettier-ignore
type Name = keyof typeof KINDS;

const write = async (name: Name, method: string, keep: number): Promise<string> => {
  const out = join(work, `${name}-${method}`);
  const report = await untimedTokens({ package: join(packages, name), method, keep, out });
  expect(report).toMatchObject({ marks: { route: 'flag' }, written: { leftOut: [] } });
  return out;
};

describe.skipIf(!hasPython)('Python gives the answer of the runner', () => {
  it.each(Object.keys(KINDS) as Name[])('%s', async (name) => {
    const out = await write(name, 'decoder-feather', 4);
    const request = { image, prompt: PROMPT, tokens: 12 };
    const [wanted] = referenceAnswers<{ answer: readonly number[] }>([{ ...request, kind: KINDS[name], package: out }]);
    const answers = [];
    for (const folder of [out, join(packages, name)]) {
      const runner = openRunner(folder, { executor: plainExecutor });
      answers.push((await runner.generate(request)).ids);
      await runner.close();
    }
    expect(answers[0]).toEqual(wanted!.answer);
    expect(answers[0]).not.toEqual(answers[1]);
  }, 60_000); // prettier-ignore
});

describe.skipIf(!here)('packages of exporters', () => {
  it('say which runners follow', async () => {
    const marksOf = async (name: string) =>
      (await untimedTokens({ package: join(packages, name), method: 'decoder-uniform', keep: 4, out: join(work, `${name}-marks`) })).marks!; // prettier-ignore
    expect((await marksOf('smolvlm-gqa')).runs).toEqual(['Secateur', 'transformers.js']);
    expect((await marksOf('llava-decomposed')).refuses[0]!.reason).toMatch(/batch_size, and the decoder calls it s\d+/);
    expect((await marksOf('llava-siglip-mobius')).refuses[0]!.reason).toMatch(/decoder is decoder\/model\.onnx/);
  });

  it('are refused with the reason', async () => {
    const refused = (name: string, method = 'decoder-uniform'): Promise<unknown> =>
      untimedTokens({ package: join(packages, name), method, keep: 4, out: join(work, 'refused') });
    await expect(refused('vitgpt2-optimum')).rejects.toThrow(/reads the picture beside its tokens/);
    await expect(refused('blip-caption')).rejects.toThrow(/reads the picture beside its tokens/);
    await expect(refused('qwen2vl-like')).rejects.toThrow(/grid_thw/);
  });
});

it.skipIf(hasPython)('skipped: ../shared/packages or a Python with transformers is not here', () => undefined);
