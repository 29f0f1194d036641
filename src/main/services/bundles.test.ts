import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JobService } from './jobs.ts';
import { BundleService } from './bundles.ts';

describe('bundles', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'secateur-bundles-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const job = (id: string, bundle: string | null, finishedAt: number, status = 'done', kind = 'compress') => ({
    id,
    kind,
    status,
    finishedAt,
    request: { model: '/m.onnx', budget: { ratio: 0.7 }, recipe: { name: 'fast', keep: { conv1: 0.5 } } },
    result: {
      bundle,
      baseline: { p50Ms: 4 },
      result: { p50Ms: 2, bytes: 10 },
      budgetMs: 2.5,
      met: true,
      provenance: { processor: 'cpu' },
    },
  });
  const of = (...jobs: ReturnType<typeof job>[]): BundleService =>
    new BundleService({ list: () => jobs } as unknown as JobService);
  function write(name: string): string {
    const path = join(folder, name);
    mkdirSync(path);
    writeFileSync(join(path, 'manifest.json'), '{}');
    writeFileSync(`${path}.zip`, 'x');
    return path;
  }

  it('lists what finished compressions wrote, each folder once, newest first', () => {
    const [a, b] = [write('a'), join(folder, 'gone')];
    const list = of(
      job('1', a, 1),
      job('2', b, 5),
      job('3', a, 3),
      job('4', null, 9),
      job('5', write('c'), 9, 'failed'),
      job('6', write('d'), 9, 'done', 'verify'),
    ).list();
    expect(list.map((e) => [e.job, e.path, e.there])).toEqual([
      ['2', b, false],
      ['3', a, true],
    ]);
    expect(list[1]).toMatchObject({
      model: '/m.onnx',
      budget: '0.7x',
      recipe: 'fast',
      widths: 1,
      beforeMs: 4,
      afterMs: 2,
      budgetMs: 2.5,
      met: true,
      bytes: 10,
    });
  });

  it('deletes the folder and the zip of a known bundle, and nothing else', async () => {
    const [mine, other] = [write('mine'), write('other')];
    const bundles = of(job('1', mine, 1));
    await expect(bundles.delete(other)).rejects.toMatchObject({ code: 'path-refused' });
    await expect(bundles.delete(folder)).rejects.toMatchObject({ code: 'path-refused' });
    await bundles.delete(mine);
    expect([existsSync(mine), existsSync(`${mine}.zip`), existsSync(other)]).toEqual([false, false, true]);
    await expect(bundles.delete(mine)).rejects.toMatchObject({ code: 'path-refused' });
    // Another file replaces the bundle.
    mkdirSync(mine);
    writeFileSync(join(mine, 'thesis.txt'), 'x');
    await expect(bundles.delete(mine)).rejects.toMatchObject({ code: 'path-refused' });
    expect(existsSync(join(mine, 'thesis.txt'))).toBe(true);
  });
});
