/** `secateur tokens --recover`: the request, the written package, and the report. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderTokens } from '../../src/main/cli/render-tokens.ts';
import type { StageContext } from '../../src/main/pipeline/context.ts';
import { openRunner } from '../../src/main/pipeline/prepare/open-runner.ts';
import { fewerTokens } from '../../src/main/pipeline/tokens/fewer-tokens.ts';
import { tokensRequest, type TokensOptions } from '../../src/main/services/tokens-request.ts';
import { plainExecutor } from '../support/executor.ts';
import { plainDecoder } from '../support/small-decoder.ts';
import { writeRecoverablePackage } from '../support/small-recoverable-package.ts';

const work = mkdtempSync(join(tmpdir(), 'secateur-recover-command-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const folder = join(work, 'small');
const questions = join(work, 'pictures', 'questions.csv');
beforeAll(async () => {
  writeRecoverablePackage(folder, plainDecoder({ layers: 1 }));
  mkdirSync(join(work, 'pictures'));
  const rows = ['image,prompt,answer,kind'];
  for (let i = 0; i < 10; i++) {
    const data = Uint8Array.from({ length: 16 * 16 * 3 }, (_, k) => ((k + 7 * i) * (k + 3)) & 255);
    const raw = { width: 16, height: 16, channels: 3 } as const;
    await sharp(data, { raw }).png().toFile(join(work, 'pictures', `${i}.png`)); // prettier-ignore
    rows.push(`${i}.png,abc,d,${i % 2 ? 'where' : 'other'}`, `${i}.png,hd,e,other`);
  }
  rows.push(',abc,a,other');
  writeFileSync(questions, `${rows.join('\n')}\n`);
});

const request = (o: Partial<TokensOptions>) =>
  tokensRequest('small', { keep: { tokens: 4 }, method: 'stride', measure: false, workload: { tokens: 4, prompt: 4 }, ...o }, work); // prettier-ignore

describe('the command', () => {
  it('writes a package that was trained, judged by questions that it has not seen', async () => {
    const stages = new Set<string>();
    const ctx = { executor: plainExecutor, log: () => undefined, progress: (p: { stage: string }) => void stages.add(p.stage) } as unknown as StageContext; // prettier-ignore
    const out = join(work, 'out');
    const report = await fewerTokens(request({ questions, recover: 0.5, recoverBy: 'full', out }), ctx);
    expect([...stages]).toEqual(['load', 'lessons', 'recover', 'judge', 'write', 'answers']);
    const [result] = report.results;
    const { recovery } = result!;
    expect(recovery!.questions).toEqual({ train: 14, choose: 2, judge: 4 });
    expect(recovery!.steps).toBeGreaterThan(0);
    // The question without a picture is neither trained on nor judged.
    expect(report.questions).toMatchObject({ questions: 4, pictures: 2, textOnly: 0 });
    expect(result!.answers!.answers).toBe(4);
    expect(result!.answers!.kl).toBeCloseTo((recovery!.kept ? recovery!.after! : recovery!.before).kl, 9);
    expect(report.baselines.map((b) => b.method).includes('stride before recovery')).toBe(recovery!.kept);
    expect(report.written!.changed.includes('onnx/decoder_model_merged.onnx')).toBe(recovery!.kept);
    const files = [folder, out].map((f) => readFileSync(join(f, 'onnx/decoder_model_merged.onnx')));
    expect(files[0]!.equals(files[1]!)).toBe(!recovery!.kept);
    const runner = openRunner(out, { executor: plainExecutor });
    const image = join(work, 'pictures', '0.png');
    expect((await runner.generate({ image, prompt: 'abc', tokens: 2 })).ids).toHaveLength(2);
    await runner.close();
    const text = renderTokens(report);
    expect(text).toMatch(/recovery: all matrices of the decoder/);
    expect(text).toMatch(/14 trained on, 2 chose the best state, 4 judge/);
    expect(text).toMatch(/on held-out questions +equal answers +KL per token\nwithout recovery/);
  });

  it.each<[string, Partial<TokensOptions>, RegExp]>([
    ['a table', { method: 'all', recover: 5, image: ['pictures'] }, /needs --method/],
    ['no questions', { recover: 5 }, /needs pictures and prompts/],
    ['weights without training', { recoverBy: 'lora' }, /need --recover/],
    [
      'a rank for matrices',
      { recover: 5, image: ['pictures'], recoverBy: 'full', recoverRank: 4 },
      /--recover-by lora/,
    ],
  ])('refuses %s', (_, o, message) => {
    expect(() => request(o)).toThrow(message);
  });

  it('takes a rank as a wish for adapters', () => {
    expect(request({ recover: 5, image: ['pictures'], recoverRank: 4 }).recover).toEqual({ seconds: 5, by: 'lora', rank: 4, alpha: 16 }); // prettier-ignore
    expect(request({ recover: 5, image: ['pictures'] }).recover).toEqual({
      seconds: 5,
      by: 'auto',
      rank: 8,
      alpha: 16,
    });
    expect(request({}).recover).toBeUndefined();
  });
});
