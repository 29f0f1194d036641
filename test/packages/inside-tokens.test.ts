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
import { openPackage } from '../../src/main/pipeline/prepare/open-package.ts';
import { openRunner } from '../../src/main/pipeline/prepare/open-runner.ts';
import { randomFeeds } from '../../src/main/runtime/random-inputs.ts';
import { openModelFile } from '../../src/main/storage/model-files.ts';
import { gap } from '../support/decoder-runs.ts';
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

it.skipIf(!hasPython)(
  'Python gives the answers of the runner',
  async () => {
    const request = { image, prompt: PROMPT, tokens: 12 };
    const names = Object.keys(KINDS) as Name[];
    const folders: string[] = [];
    for (const name of names) folders.push(await write(name, 'decoder-feather', 4));
    const cases = names.map((name, i) => ({ ...request, kind: KINDS[name], package: folders[i]! }));
    const wanted = referenceAnswers<{ answer: readonly number[]; last: readonly number[] }>(cases);
    for (const [i, name] of names.entries()) {
      const rows: Float32Array[] = [];
      for (const folder of [folders[i]!, join(packages, name)]) {
        const runner = openRunner(folder, { executor: plainExecutor });
        const answer = await runner.generate(request);
        if (rows.length === 0) expect(answer.ids, name).toEqual(wanted[i]!.answer);
        rows.push((await runner.answerLogits(request, answer.ids.slice(0, 1))).data);
        await runner.close();
      }
      expect(gap(rows[0]!, Float32Array.from(wanted[i]!.last)), name).toBeLessThan(2e-4);
      expect(gap(rows[0]!, rows[1]!), name).toBeGreaterThan(1e-3);
    }
  },
  60_000,
);

describe.skipIf(!here)('packages of exporters', () => {
  it.each(Object.keys(KINDS) as Name[])('%s is measured with the lengths that its caches have', async (name) => {
    const out = await write(name, 'decoder-uniform', 4);
    const images = name.startsWith('smolvlm') ? 5 : 1;
    const image = images * (name.startsWith('smolvlm') ? 16 : 64);
    const pkg = openPackage(out, { settings: { image, prompt: 6, tokens: 9 } });
    const { id } = pkg.components.find((c) => c.role === 'decoder')!;
    const model = openModelFile(pkg.fileOf(id));
    const session = await plainExecutor.open(model);
    const lengths = async (phase: string): Promise<number[]> => {
      const { dims } = pkg.workload.phases.find((p) => p.name === phase)!;
      const outputs = await session.run(randomFeeds(model, { dims }));
      return Object.keys(outputs).flatMap((o) => (/key$/.test(o) ? outputs[o]!.dims[2]! : []));
    };
    const [first, next] = [await lengths('prefill'), await lengths('decode')];
    await session.release();
    expect([first[0], first.at(-1)]).toEqual([6 + image, 6 + images * 4]);
    // The step in the middle of the answer, with its own token.
    expect(next).toEqual(first.map((n) => n + 4 + 1));
  });

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
