/** Invalid data that looks valid is refused by name when it is opened. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SecateurError, type ErrorCode } from '../../shared/contract/errors.ts';
import { DType } from '../engine/ir/dtype.ts';
import { openDataset, type DatasetOptions } from './dataset.ts';
import { encodeLabels } from './labels.ts';
import { encodeNpy } from './npy.ts';

const POINTER =
  'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n';

let dir = '';
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'secateur-refused-'))));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function refusal(work: Promise<unknown>): Promise<{ code: ErrorCode; message: string }> {
  const e: unknown = await work.then(
    () => null,
    (x: unknown) => x,
  );
  expect(e).toBeInstanceOf(SecateurError);
  return e as SecateurError;
}

/** 40 rows of 4 numbers, one of them changed. */
function rows(name: string, dtype: number, change?: { at: number; to: number }): string {
  const data = dtype === DType.DOUBLE ? new Float64Array(160) : new Float32Array(160);
  if (change) data[change.at] = change.to;
  const path = join(dir, name);
  writeFileSync(path, encodeNpy({ dtype, dims: [40, 4], data }));
  return path;
}
const open = (data: string, more: Partial<DatasetOptions> = {}) =>
  openDataset({ data, inputs: [{ name: 'x', shape: [0, 4] }], ...more });

describe('values that are not numbers', () => {
  it.each([
    [Infinity, DType.FLOAT, 'row 17 holds infinity'],
    [-Infinity, DType.FLOAT, 'row 17 holds -infinity'],
    [NaN, DType.DOUBLE, 'row 17 holds NaN'],
    [1e300, DType.DOUBLE, 'row 17 holds 1e+300, which is beyond'],
  ])('%s is named with its row', async (to, dtype, text) => {
    const e = await refusal(open(rows(`bad-${to}.npy`, dtype, { at: 17 * 4 + 3, to })));
    expect(e.code).toBe('data-not-finite');
    expect(e.message).toContain(text);
  });

  it('are no concern where the row is not used, and the scan is made once', async () => {
    const figures = new Map<string, number>();
    const seen = { get: (k: string) => figures.get(k), put: (k: string, v: number) => void figures.set(k, v) };
    await (await open(rows('good.npy', DType.FLOAT, { at: 3, to: 3.4028234663852886e38 }), { seen })).close();
    expect(figures.size).toBe(1);
    await (
      await open(rows('wide.npy', DType.DOUBLE, { at: 3, to: 1e300 }), {
        inputs: [{ name: 'x', shape: [0, 4], dtype: DType.DOUBLE }],
      })
    ).close();
  });
});

describe('Git LFS pointers', () => {
  it.each(['x.npy', 'x.npz', 'x.csv', 'x.png'])('%s', async (name) => {
    const path = join(dir, name);
    writeFileSync(path, POINTER);
    const e = await refusal(openDataset({ data: path, inputs: [{ name: 'x', shape: [0, 3, 8, 8] }] }));
    expect(e.code).toBe('lfs-pointer');
    expect(e.message).toContain(path);
  });

  it.each(['l.npy', 'l.txt', 'l.csv'])('labels %s', async (name) => {
    const labels = join(dir, name);
    writeFileSync(labels, POINTER);
    expect((await refusal(open(rows('d.npy', DType.FLOAT), { labels }))).code).toBe('lfs-pointer');
  });

  it('among the images of a folder', async () => {
    const folder = join(dir, 'folder');
    mkdirSync(folder);
    writeFileSync(join(folder, 'a.jpg'), POINTER);
    const e = await refusal(openDataset({ data: folder, inputs: [{ name: 'x', shape: [0, 3, 8, 8] }] }));
    expect(e).toMatchObject({ code: 'lfs-pointer', message: expect.stringContaining('a.jpg') as string });
  });
});

describe('labels that are numbers', () => {
  it('are read from columns of floats', () => {
    expect([...encodeLabels(['0.0', '10.0', '2.0'], 'l.csv').labels]).toEqual([0, 10, 2]);
  });

  it.each(['-1', '1.5', 'nan', '', '1e9'])('%j is never taken for the name of a class', (odd) => {
    expect(() => encodeLabels(['0', '1', odd], 'l.csv')).toThrow(/row 2 has the label/);
  });

  it('stay names where the classes are known by such names', () => {
    expect([...encodeLabels(['0.5', '-1'], 'l.csv', ['-1', '0.5']).labels]).toEqual([1, 0]);
  });
});
