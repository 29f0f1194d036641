/** The tasks of the window's page about answers and visual tokens, on a small package. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../test/support/executor.ts';
import { writeAnsweringPackage } from '../../../test/support/small-answering-package.ts';
import { steadyMeasure } from '../../../test/support/steady-measure.ts';
import type { MeasureInput } from '../pipeline/measure/measure.ts';
import type { StageContext } from '../pipeline/context.ts';
import { partsOfPlan } from '../pipeline/tokens/picture-parts.ts';
import { levelsToMeasure } from '../pipeline/tokens/token-times.ts';
import { planImage } from '../engine/images/plan.ts';
import { runAsk } from './ask.ts';
import { runTokenCells } from './token-cells.ts';
import { runTokenLook } from './token-look.ts';
import { runTokenTimes } from './token-times.ts';

const work = mkdtempSync(join(tmpdir(), 'secateur-visual-'));
const picture = join(work, 'picture.png');
const small = join(work, 'small');
afterAll(() => rmSync(work, { recursive: true, force: true }));
beforeAll(async () => {
  writeAnsweringPackage(small);
  const data = Uint8Array.from({ length: 64 * 48 * 3 }, (_, i) => (i * i) & 255);
  await sharp(data, { raw: { width: 64, height: 48, channels: 3 } }).png().toFile(picture); // prettier-ignore
});

const heard: string[] = [];
const ctx = {
  executor: plainExecutor,
  progress: () => undefined,
  log: () => undefined,
  text: (piece: string) => void heard.push(piece),
  inSubprocess: (_: string, input: unknown) => steadyMeasure(input as MeasureInput),
} as unknown as StageContext;
const where = { provider: 'cpu', threads: 1 };
const codeOf = (p: Promise<unknown>): Promise<unknown> => p.then(() => null, (e: unknown) => (e as { code: string }).code); // prettier-ignore

describe('an answer', () => {
  const question = { package: small, image: picture, prompt: 'abc', tokens: 5, ...where };

  it('arrives in pieces, with the whole package and with fewer tokens', async () => {
    heard.length = 0;
    const whole = await runAsk(question, ctx);
    expect(whole).toMatchObject({ kind: 'answer', imageTokens: 16 });
    expect(heard.join('')).toBe(whole.text);
    expect(heard.length).toBeGreaterThan(1);
    expect(whole.phases.map((p) => p.name)).toEqual(['image', 'vision', 'embed', 'prefill', 'decode']);
    heard.length = 0;
    const fewer = await runAsk({ ...question, fewer: { method: 'pool', keep: 4 } }, ctx);
    expect(fewer.imageTokens).toBe(4);
    expect(heard.join('')).toBe(fewer.text);
  });

  it.each([
    [{ method: 'magic', keep: 4 }, 'tokens-method'],
    [{ method: 'tome', keep: 4 }, 'tokens-method-refused'],
    [{ method: 'dpp', keep: 16 }, 'tokens-keep'],
  ])('is refused with %o', async (fewer, code) => {
    expect(await codeOf(runAsk({ ...question, fewer }, ctx))).toBe(code);
  });
});

describe('a look at a package', () => {
  it('gives each method its numbers, or its reason', async () => {
    const look = await runTokenLook({ package: small }, ctx);
    expect(look).toMatchObject({ unanswered: null, refused: null, tokens: { free: 16, fixed: 0, images: 1 } });
    const methods = new Map(look.methods.map((m) => [m.name, m]));
    expect(methods.get('dpp')).toMatchObject({ refused: null });
    expect(methods.get('dpp')!.levels).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
    expect(methods.get('pool')!.levels).toContain(4);
    expect(methods.get('pool')!.levels).not.toContain(7);
    expect(['dpp', 'pool', 'pixels', 'decoder-fastv'].map((name) => methods.get(name)!.parts)).toEqual([
      'kept',
      'coarser',
      'coarser',
      'inside',
    ]);
    expect(methods.get('tome')).toMatchObject({ levels: [], refused: expect.stringMatching(/weighs merged/) });
    for (const { levels, refused } of look.methods) expect(levels.length > 0).toBe(refused === null);
  });

  it('says why nothing can be asked, or left out', async () => {
    const tied = writeAnsweringPackage(join(work, 'tied'), { model_type: 'qwen2_vl' });
    const look = await runTokenLook({ package: tied }, ctx);
    expect(look.unanswered).toBeNull();
    expect(look.methods.every((m) => m.refused !== null)).toBe(true);
    const blind = writeAnsweringPackage(join(work, 'blind'));
    for (const name of ['vision_encoder.onnx', 'vision_encoder_fp16.onnx']) rmSync(join(blind, 'onnx', name));
    expect(await runTokenLook({ package: blind }, ctx)).toMatchObject({ unanswered: 'it reads text only' });
    rmSync(join(blind, 'onnx/decoder_model_merged.onnx'));
    expect((await runTokenLook({ package: blind }, ctx)).unanswered).toMatch(/no decoder/);
  });
});

describe('times until the first token', () => {
  it('grow with the tokens of the prompt', async () => {
    const { original, points } = await runTokenTimes({ package: small, method: null, settings: { prompt: 4 }, ...where }, ctx); // prettier-ignore
    expect(points.map((p) => p.tokens)).toEqual([2, 4, 8, 16]);
    expect(points.at(-1)).toEqual(original);
    points.forEach((p, i) => expect(p.ms).toBeGreaterThan(points[i - 1]?.ms ?? 0));
  });

  it('of a method are measured between its least and its most', async () => {
    const given = { package: small, settings: { prompt: 4, image: 9 }, ...where };
    const { original, points } = await runTokenTimes({ ...given, method: 'stride' }, ctx);
    expect(original.tokens).toBe(16);
    expect(points.map((p) => p.tokens)).toEqual([1, 4, 8, 15]);
    for (const p of points) expect(p.ms).toBeLessThan(original.ms);
    expect(await codeOf(runTokenTimes({ ...given, method: 'tome' }, ctx))).toBe('tokens-method-refused');
  });

  it('are measured at levels that the method has', () => {
    expect(levelsToMeasure([2, 3, 9], 16)).toEqual([2, 3, 9]);
    expect(levelsToMeasure([5], 16)).toEqual([5]);
  });
});

describe('cells that stay', () => {
  it('lie where the encoder sees them', async () => {
    const cells = await runTokenCells({ package: small, image: picture, method: 'stride', keep: 4 }, ctx);
    expect(cells).toEqual({ grid: [4, 4], parts: [{ x: 0, y: 0, width: 1, height: 1, overview: false, kept: [2, 6, 10, 14] }] }); // prettier-ignore
  });

  it('are refused where a method selects none, and for a picture that is none', async () => {
    const given = { package: small, image: picture, keep: 4 };
    expect(await codeOf(runTokenCells({ ...given, method: 'pixels' }, ctx))).toBe('tokens-method-refused');
    expect(await codeOf(runTokenCells({ ...given, method: 'dpp', image: join(small, 'config.json') }, ctx))).toBe('image-unreadable'); // prettier-ignore
  });

  it('follow the crop and the tiles of the processor', () => {
    const recipe = { channels: 3, filter: 'bicubic', rescale: 1, mean: null, std: null, resize: null, crop: null, tiles: null } as const; // prettier-ignore
    const crop = {
      ...recipe,
      resize: { kind: 'shortest-edge', edge: 100 },
      crop: { width: 100, height: 100 },
    } as const;
    const wide = { width: 400, height: 200 };
    expect(partsOfPlan(planImage(crop, 400, 200), wide)).toEqual([{ x: 0.25, y: 0, width: 0.5, height: 1, overview: false }]); // prettier-ignore
    const tiles = {
      ...recipe,
      resize: { kind: 'longest-edge', edge: 400 },
      tiles: { side: 200, split: true },
    } as const;
    const parts = partsOfPlan(planImage(tiles, 400, 200), wide);
    expect(parts).toEqual([
      { x: 0, y: 0, width: 0.5, height: 1, overview: false },
      { x: 0.5, y: 0, width: 0.5, height: 1, overview: false },
      { x: 0, y: 0, width: 1, height: 1, overview: true },
    ]);
  });
});
