import { mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import sharp from 'sharp';
import { openDataset, type DatasetOptions } from './dataset.ts';

let folder: string;
const image = (red: number): Promise<Buffer> =>
  sharp({ create: { width: 4, height: 4, channels: 3, background: { r: red, g: 10, b: 20 } } })
    .png()
    .toBuffer();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'secateur-identity-'));
  for (const [i, name] of ['a.png', 'b.png', 'c.png'].entries()) writeFileSync(join(folder, name), await image(i));
  writeFileSync(join(folder, 'labels.csv'), 'path,label\na.png,0\nb.png,1\nc.png,0\n');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const identity = async (o: Partial<DatasetOptions> = {}): Promise<string> => {
  const d = await openDataset({
    data: folder,
    inputs: [{ name: 'x', shape: [1, 3, 4, 4] }],
    preprocess: { rescale: 1 / 255 },
    ...o,
  });
  await d.close();
  return d.identity;
};

it('stays the same while nothing changes', async () => {
  expect(await identity()).toBe(await identity());
});

it('changes with the content of a file, even where its size and its time are as before', async () => {
  const before = await identity();
  const path = join(folder, 'b.png');
  const { atime, mtime, size } = statSync(path);
  // Overwriting a file does not change the folder's own time.
  writeFileSync(path, await image(200));
  expect(statSync(path).size).toBe(size);
  utimesSync(path, atime, mtime);
  expect(await identity()).not.toBe(before);
});

it('changes with a file that is added', async () => {
  const before = await identity({ labels: undefined });
  writeFileSync(join(folder, 'd.png'), await image(9));
  writeFileSync(join(folder, 'labels.csv'), 'path,label\na.png,0\nb.png,1\nc.png,0\nd.png,1\n');
  expect(await identity()).not.toBe(before);
});

it('changes with the content of a label file', async () => {
  const before = await identity();
  writeFileSync(join(folder, 'labels.csv'), 'path,label\na.png,1\nb.png,0\nc.png,0\nd.png,1\n');
  expect(await identity()).not.toBe(before);
});

it('changes with the preprocessing, the samples that are used and the input they are made for', async () => {
  const all = await Promise.all([
    identity(),
    identity({ preprocess: { rescale: 1 / 127.5, mean: [1, 1, 1], std: [1, 1, 1] } }),
    identity({ limit: 2, seed: 1 }),
    identity({ inputs: [{ name: 'x', shape: [1, 3, 8, 8] }] }),
  ]);
  expect(new Set(all).size).toBe(all.length);
});
