/** `secateur tokens` with a file of questions, on the vision-language sample: figures by kind, baselines and warnings. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FewerTokensReport, FewerTokensRequest } from '../../src/shared/model/fewer-tokens.ts';
import { renderTokens } from '../../src/main/cli/render-tokens.ts';
import { readQuestions } from '../../src/main/data/question-table.ts';
import { QUESTION_TYPES, questionSet } from '../../src/main/engine/sample/vlm/questions.ts';
import { openRunner } from '../../src/main/pipeline/prepare/open-runner.ts';
import { fewerTokens } from '../../src/main/pipeline/tokens/fewer-tokens.ts';
import { plainExecutor } from '../support/executor.ts';
import { writeSceneQuestions } from '../support/scene-questions.ts';
import { writeAnsweringPackage } from '../support/small-answering-package.ts';
import { unmeasured } from '../support/unmeasured.ts';

const sample = resolve('resources/samples/scenes-vlm');
const work = mkdtempSync(join(tmpdir(), 'secateur-figures-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const COUNT = 5;
let path = '';
beforeAll(async () => {
  path = await writeSceneQuestions(join(work, 'scenes'), COUNT);
});

const make = (o: Partial<FewerTokensRequest>): Promise<FewerTokensReport> =>
  fewerTokens({ package: sample, keep: { tokens: 16 }, method: 'all', out: null, images: [], prompts: [], settings: { tokens: 4 }, provider: 'cpu', threads: 1, ...o }, unmeasured); // prettier-ignore
/** A package with random weights and a vocabulary of letters. */
const tiny = (): Partial<FewerTokensRequest> => ({
  package: writeAnsweringPackage(join(work, 'small')),
  keep: { tokens: 4 },
  settings: { tokens: 3, prompt: 4 },
});
const asked = (localisation: readonly string[] | null = null) => ({ questions: { path, localisation } });

describe('answers to a file of questions', () => {
  it('are judged by kind, beside baselines that are not written and the regions that stay', async () => {
    const report = await make({ ...asked(), method: 'dpp', out: join(work, 'dpp'), heatMap: true });
    const q = report.questions!;
    expect(q).toMatchObject({ questions: COUNT, pictures: COUNT, textOnly: 0, localisation: ['where'], long: [] });
    expect(report.results.map((m) => m.method)).toEqual(['dpp']);
    expect(report.baselines.map((m) => m.method)).toEqual(['random', 'pool', 'pixels']);

    // The original's figures, counted without the code under test.
    const set = questionSet(5, COUNT);
    const runner = openRunner(sample, { executor: plainExecutor });
    const right: boolean[] = [];
    for (const [i, { question, answer }] of set.entries())
      right.push((await runner.generate({ image: join(work, 'scenes', `${i}.png`), prompt: question, tokens: 4 })).text.trim() === answer); // prettier-ignore
    await runner.close();
    const count = (type: string): number => right.filter((r, i) => r && set[i]!.type === type).length;
    expect(q.original.all).toMatchObject({ known: COUNT, exact: right.filter(Boolean).length, equal: COUNT, kl: 0 });
    expect(q.original.localisation!.exact).toBe(count('where'));
    for (const { kind, exact } of q.original.kinds) expect(exact).toBe(count(kind));

    // The questions that smaller pictures fail on are right in the original, and wrong there.
    const pixels = report.baselines.find((m) => m.method === 'pixels')!.figures!;
    expect(q.hard).toEqual({ questions: expect.any(Number) as number, tokens: 16 });
    expect(pixels.hard).toBe(0);
    expect(q.original.hard).toBe(q.hard!.questions);
    expect(q.original.all.exact - q.hard!.questions).toBeLessThanOrEqual(pixels.all.exact);
    const { figures, answers, heatMap } = report.results[0]!;
    expect(figures!.all.equal).toBe(answers!.equal);
    expect(figures!.all.kl).toBeCloseTo(answers!.kl, 9);

    expect(heatMap).toMatchObject({ rows: 12, columns: 12, pictures: COUNT });
    expect(heatMap!.shares.reduce((a, b) => a + b, 0)).toBeCloseTo(16, 6);

    const text = renderTokens(report);
    expect(text).toMatch(/^WARNING: Only 5 questions have a right answer: .* \+-44 points/);
    expect(text).toMatch(/method +tokens +where +exact +colour +shape +count +exist +equal +KL +hard\noriginal +144 /);
    expect(text).toMatch(/\noriginal .*\ndpp .*\nrandom .*\npool .*\npixels .*/);
    expect(text).toMatch(/\ndpp, 16 of 144\ncentre \d+% down, \d+% right\n([.#\d]( [.#\d]){11}\n){12}/);
    expect(text).not.toContain('NOT MEASURED: no question');
  });

  it('stand in a table of all methods', async () => {
    const file = join(work, 'scenes', 'small.csv');
    writeFileSync(file, 'image,prompt,answer,kind\n0.png,abc,abcdefghijabcdef,ocr\n0.png,cab,a,where\n');
    const report = await make({ ...tiny(), questions: { path: file, localisation: null } });
    expect(report.questions).toMatchObject({ questions: 2, pictures: 1, localisation: ['where'], long: ['ocr'] });
    for (const { figures, method } of report.results) expect(figures!.all.questions, method).toBe(2);
    expect(report.baselines).toEqual([]);
    expect(renderTokens(report)).toMatch(
      /method +tokens +where +exact +ocr +ocr CER +equal +KL( +hard)?\noriginal +16 /,
    );
  });

  it('stand beside the regions that stay inside the decoder', async () => {
    const options = { method: 'decoder-uniform', out: join(work, 'inside'), heatMap: true };
    const report = await make({ ...options, images: [join(work, 'scenes', '0.png')], prompts: ['is there a ring'] });
    const { heatMap } = report.results[0]!;
    // Every ninth token of 12 x 12, whatever the picture shows.
    const kept = heatMap!.shares.flatMap((share, i) => (share === 1 ? [i] : []));
    expect(kept).toEqual(Array.from({ length: 16 }, (_, i) => 9 * i + 8));
  });

  it('warn where places are not measured, and where nothing is', async () => {
    const blind = join(work, 'scenes', 'blind.csv');
    writeFileSync(blind, 'image,prompt,answer,kind\n0.png,abc,a,colour\n,cab,b,exist\n');
    const options = { ...tiny(), method: 'stride' };
    const report = await make({ ...options, questions: { path: blind, localisation: null }, out: join(work, 'blind') });
    expect(report.questions!.warnings[0]).toMatch(/^DAMAGE TO PLACES IS NOT MEASURED/);
    expect(report.questions!.warnings[1]).toMatch(/^1 of 2 questions have no picture/);
    expect(report.questions!.original.localisation).toBeNull();

    const text = join(work, 'text.jsonl');
    writeFileSync(text, '{"prompt":"abc"}\n');
    const none = await make({ ...options, questions: { path: text, localisation: null }, out: join(work, 'text') });
    expect(none.questions!.warnings).toEqual([expect.stringMatching(/^TEXT ONLY/)]);
    expect(none.results[0]!.answers).toMatchObject({ answers: 1, equal: 1, kl: 0, shown: [] });
  });

  it('refuse a localisation kind that no question has', async () => {
    await expect(make(asked(['wherever']))).rejects.toThrow(/names wherever.*its kinds are where, colour/);
  });
});

it('the questions beside the sample are five about each of twelve pictures', async () => {
  const list = await readQuestions(resolve('resources/samples/scenes-questions/questions.csv'));
  expect(list).toHaveLength(60);
  expect(new Set(list.map((q) => q.image)).size).toBe(12);
  for (const type of QUESTION_TYPES) expect(list.filter((q) => q.kind === type)).toHaveLength(12);
  expect(list.every((q) => q.answer !== null && q.prompt !== null)).toBe(true);
});
