import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { IMAGE_TOKENS, visionEncoder, writeSmallPackage } from '../../../../test/support/small-package.ts';
import { metricTimes } from '../measure/workload.ts';
import { createExecutor } from '../../runtime/executor.ts';
import { randomFeeds } from '../../runtime/random-inputs.ts';
import { openModelFile, saveModelFile } from '../../storage/model-files.ts';
import type { PhaseTime } from '../../../shared/model/package.ts';
import { openPackage } from './open-package.ts';

const dir = mkdtempSync(join(tmpdir(), 'secateur-package-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const folder = writeSmallPackage(join(dir, 'small'));

describe('a package of three components', () => {
  it('has their roles, its family and a workload with phases at their sizes', () => {
    const pkg = openPackage(folder, { settings: { prompt: 4, tokens: 5 } });
    expect(pkg.family).toBe('vlm');
    expect(pkg.components.map((c) => `${c.id}: ${c.role}`)).toEqual([
      'decoder_model_merged: decoder',
      'embed_tokens: embedding',
      'vision_encoder: vision-encoder',
    ]);
    expect(pkg.configs).toEqual(['config.json']);
    const prompt = 4 + IMAGE_TOKENS;
    expect(pkg.workload.phases.map((p) => [p.name, p.repeat, p.dims])).toEqual([
      ['vision', 1, { batch: 1 }],
      ['embed', 1, { batch: 1, sequence: prompt }],
      ['prefill', 1, { batch: 1, sequence: prompt, total: prompt, past: 0 }],
      ['embed-step', 4, { batch: 1, sequence: 1 }],
      ['decode', 4, { batch: 1, sequence: 1, total: prompt + 3, past: prompt + 2 }],
    ]);
    expect(pkg.mainDims('decoder_model_merged')).toEqual({
      batch: 1,
      sequence: 1,
      total: prompt + 3,
      past: prompt + 2,
    });
  });

  it('is used as the family that the user says, where it has the components', () => {
    const language = openPackage(folder, { family: 'lm', settings: { prompt: 4 } });
    expect(language.family).toBe('lm');
    expect(language.workload.phases.map((p) => p.name)).toEqual(['embed', 'prefill', 'embed-step', 'decode']);
    expect(language.workload.fields.map((f) => [f.name, f.default])).toEqual([
      ['prompt', 64],
      ['tokens', 32],
    ]);
    const plain = openPackage(folder, { family: 'diffusion' });
    expect([plain.family, plain.workload.about]).toEqual(['diffusion', 'one run of every component']);
  });

  it('takes sizes that are given in every component that has the axis, and refuses others', () => {
    const { workload } = openPackage(folder, { dims: { past: 7 } });
    expect(workload.phases.map((p) => p.dims['past'])).toEqual([undefined, undefined, 7, undefined, 7]);
    expect(() => openPackage(folder, { dims: { width: 7 } })).toThrow(expect.objectContaining({ code: 'dim-unknown' }) as Error); // prettier-ignore
  });

  it('runs every phase', async () => {
    const { workload, fileOf } = openPackage(folder);
    for (const phase of workload.phases) {
      const model = openModelFile(fileOf(phase.component));
      const session = await createExecutor().open(model, { threads: 1 });
      const outputs = await session.run(randomFeeds(model, { dims: phase.dims }));
      expect(Object.values(outputs)[0]!.dims[0]).toBe(1);
      await session.release();
    }
  });

  it('adds up its metrics from the phases', () => {
    const { workload } = openPackage(folder, { settings: { tokens: 5 } });
    const latency = (p50Ms: number, noiseMs: number) => ({ p50Ms, noiseMs }) as PhaseTime['latency'];
    const times: Readonly<Record<string, [number, number]>> = {
      vision: [10, 3],
      embed: [1, 0],
      prefill: [20, 4],
      'embed-step': [0.5, 0],
      decode: [2, 1],
    };
    const phases = workload.phases.map((p) => ({ ...p, latency: latency(...times[p.name]!) }));
    const of = Object.fromEntries(metricTimes(workload.metrics, phases).map((m) => [m.name, m]));
    expect(of['total']!.ms).toBeCloseTo(10 + 1 + 20 + 4 * 0.5 + 4 * 2);
    expect(of['first-token']).toMatchObject({ ms: 31, noiseMs: 5 });
    expect(of['per-token']!.ms).toBeCloseTo(2.5);
  });
});

describe('what is no package', () => {
  it('is refused by name', () => {
    mkdirSync(join(dir, 'empty'));
    writeFileSync(join(dir, 'empty/readme.txt'), '');
    expect(() => openPackage(join(dir, 'empty'))).toThrow(expect.objectContaining({ code: 'package-empty' }) as Error);
    expect(() => openPackage(folder, { settings: { steps: 3 } })).toThrow(
      /steps cannot be used.*prompt, image, tokens/,
    );
    expect(() => openPackage(folder, { settings: { tokens: 0 } })).toThrow(/whole number from 1/);
  });
});

it('takes a single file as a package of one component and one phase', () => {
  const file = join(dir, 'one.onnx');
  saveModelFile(visionEncoder(), file);
  const pkg = openPackage(file);
  expect(pkg.components).toEqual([{ id: 'one', role: 'model', file: 'one.onnx', variants: [] }]);
  expect(pkg.workload.phases).toEqual([{ name: 'one', component: 'one', repeat: 1, dims: {} }]);
  expect(pkg.fileOf('one')).toBe(file);
});
