import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { ZipFile } from 'yazl';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SecateurError } from '../../shared/contract/errors.ts';
import { DType } from '../engine/ir/dtype.ts';
import { openDataset } from './dataset.ts';
import { encodeNpy } from './npy.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'secateur-data-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** A plain-coloured PNG. */
const png = (path: string, rgb: [number, number, number], width = 8, height = 8): Promise<unknown> =>
  sharp({ create: { width, height, channels: 3, background: { r: rgb[0], g: rgb[1], b: rgb[2] } } })
    .png()
    .toFile(path);
const npy = (
  name: string,
  dtype: number,
  dims: number[],
  data: Uint8Array | Float32Array | BigInt64Array,
): Promise<void> => writeFile(join(dir, name), encodeNpy({ dtype, dims, data }));
const code = async (p: Promise<unknown>): Promise<string> => {
  const e = await p.then(
    () => null,
    (x: unknown) => x,
  );
  expect(e).toBeInstanceOf(SecateurError);
  return (e as SecateurError).code;
};
const shape = [1, 3, 8, 8];

describe('folders', () => {
  it('numbers class folders by name, skips damaged images and says so', async () => {
    const root = join(dir, 'classes');
    for (const c of ['cat', 'dog']) await mkdir(join(root, c), { recursive: true });
    await png(join(root, 'cat/a.png'), [255, 0, 0]);
    await png(join(root, 'dog/b.png'), [0, 255, 0]);
    await png(join(root, 'dog/c.png'), [0, 0, 255], 60, 60);
    const whole = await sharp(
      await sharp({ create: { width: 64, height: 64, channels: 3, background: 'red' } })
        .png()
        .toBuffer(),
    )
      .jpeg()
      .toBuffer();
    await writeFile(join(root, 'cat/cut.jpg'), whole.subarray(0, whole.length - 60));
    await writeFile(join(root, 'cat/text.png'), 'not an image');
    const d = await openDataset({
      data: root,
      inputs: [{ name: 'x', shape: shape }],
      preprocess: { rescale: 1 / 255, mean: [0.5], std: [0.25] },
    });
    expect(d.length).toBe(3);
    expect([...d.labels!]).toEqual([0, 1, 1]);
    expect(d.classNames).toEqual(['cat', 'dog']);
    expect(d.notes.join('\n')).toMatch(/2 of 5 images are skipped.*cut\.jpg.*text\.png/s);
    expect(d.notes.join('\n')).toMatch(/scaled and cropped to the model's 8 x 8/);
    const t = (await d.batch([0, 2])).x!;
    expect(t.dims).toEqual([2, 3, 8, 8]);
    const at = (n: number, c: number): number => t.data[(n * 3 + c) * 64 + 30] as number;
    expect([at(0, 0), at(0, 1), at(1, 2)]).toEqual([2, -2, 2]);
  });

  it('does not decode again what was seen to decode, until a file changes', async () => {
    const root = join(dir, 'seen');
    await mkdir(root, { recursive: true });
    await png(join(root, 'a.png'), [255, 0, 0], 60, 60);
    await png(join(root, 'b.png'), [0, 255, 0]);
    const figures = new Map<string, number>();
    const seen = {
      get: (key: string) => figures.get(key),
      put: (key: string, value: number) => void figures.set(key, value),
    };
    const options = { data: root, inputs: [{ name: 'x', shape: shape }], preprocess: { rescale: 1 / 255 }, seen };
    const first = await openDataset(options);
    expect(figures.size).toBe(1);
    const second = await openDataset(options);
    expect(figures.size).toBe(1);
    expect(second.notes).toEqual(first.notes);
    expect(second.notes.join('\n')).toMatch(/scaled and cropped/);
    expect(await second.batch([0, 1])).toEqual(await first.batch([0, 1]));
    // A damaged file is reported at once, and nothing is cached for its folder.
    await writeFile(join(root, 'b.png'), 'not an image');
    for (let i = 0; i < 2; i++) {
      const third = await openDataset(options);
      expect(third.length).toBe(1);
      expect(third.notes.join('\n')).toMatch(/1 of 2 images are skipped/);
    }
    expect(figures.size).toBe(1);
  });

  it('orders numeric class folders by number', async () => {
    const root = join(dir, 'numeric');
    for (const c of ['10', '2']) {
      await mkdir(join(root, c), { recursive: true });
      await png(join(root, c, 'a.png'), [1, 2, 3]);
    }
    const d = await openDataset({ data: root, inputs: [{ name: 'x', shape: shape }] });
    expect(d.classNames).toEqual(['2', '10']);
    expect([0, 1].map((i) => d.name(i))).toEqual(['10/a.png', '2/a.png']);
    expect([...d.labels!]).toEqual([1, 0]);
    expect(d.notes.join()).toMatch(/No preprocessing was given/);
  });

  it('reads a flat folder with a labels.csv, and one without labels', async () => {
    const root = join(dir, 'flat');
    await mkdir(root);
    await png(join(root, 'x, "1".png'), [9, 9, 9]);
    await png(join(root, 'y.png'), [9, 9, 9]);
    expect((await openDataset({ data: root, inputs: [{ name: 'x', shape: shape }] })).labels).toBeNull();
    await writeFile(join(root, 'labels.csv'), 'path,label\r\ny.png,7\r\n"x, ""1"".png",3\r\n');
    expect([...(await openDataset({ data: root, inputs: [{ name: 'x', shape: shape }] })).labels!]).toEqual([3, 7]);
    await writeFile(join(root, 'labels.csv'), 'y.png,7\n');
    expect(await code(openDataset({ data: root, inputs: [{ name: 'x', shape: shape }] }))).toBe('data-labels');
    expect(await code(openDataset({ data: join(dir, 'nowhere'), inputs: [{ name: 'x', shape: shape }] }))).toBe(
      'file-not-found',
    );
  });
});

describe('tables', () => {
  it('reads paths relative to the table, with names of given classes', async () => {
    await mkdir(join(dir, 'table/img'), { recursive: true });
    await png(join(dir, 'table/img/a.png'), [10, 20, 30]);
    await png(join(dir, 'table/img/b.png'), [10, 20, 30]);
    const file = join(dir, 'table/list.csv');
    await writeFile(file, 'label,file\nzebra,img/a.png\nant,img/b.png\n');
    const d = await openDataset({
      data: file,
      inputs: [{ name: 'x', shape: shape }],
      classes: ['zebra', 'ant'],
      preprocess: { colorOrder: 'BGR' },
    });
    expect([...d.labels!]).toEqual([0, 1]);
    const t = (await d.batch([0])).x!;
    expect([t.data[0], t.data[64], t.data[128]]).toEqual([30, 20, 10]);
    expect(await code(openDataset({ data: file, inputs: [{ name: 'x', shape: shape }], classes: ['zebra'] }))).toBe(
      'data-labels',
    );
  });
});

describe('arrays', () => {
  const pixels = Uint8Array.from({ length: 2 * 3 * 4 * 4 }, (_, i) => i);

  it('takes NCHW and NHWC data for either layout of model', async () => {
    await npy('nchw.npy', DType.UINT8, [2, 3, 4, 4], pixels);
    const turned = new Uint8Array(pixels.length);
    for (let n = 0; n < 2; n++)
      for (let c = 0; c < 3; c++)
        for (let p = 0; p < 16; p++) turned[n * 48 + p * 3 + c] = pixels[n * 48 + c * 16 + p]!;
    await npy('nhwc.npy', DType.UINT8, [2, 4, 4, 3], turned);
    for (const data of ['nchw.npy', 'nhwc.npy']) {
      const first = await openDataset({
        data: join(dir, data),
        inputs: [{ name: 'x', shape: [0, 3, 4, 4] }],
        preprocess: {},
      });
      expect([...(await first.batch([1])).x!.data]).toEqual([...pixels.subarray(48)]);
      const second = await openDataset({
        data: join(dir, data),
        inputs: [{ name: 'x', shape: [0, 4, 4, 3] }],
        preprocess: {},
      });
      const t = (await second.batch([1])).x!;
      expect(t.dims).toEqual([1, 4, 4, 3]);
      expect([...t.data]).toEqual([...turned.subarray(48)]);
    }
    const bytes = await openDataset({
      data: join(dir, 'nchw.npy'),
      inputs: [{ name: 'x', shape: [1, 3, 4, 4], dtype: DType.UINT8 }],
    });
    expect((await bytes.batch([0])).x!.data).toEqual(pixels.subarray(0, 48));
  });

  it('resizes bytes to the model, hands floats on as they are, and flattens for flat models', async () => {
    await npy('grey.npy', DType.UINT8, [1, 4, 4], new Uint8Array(16).fill(51));
    const big = await openDataset({ data: join(dir, 'grey.npy'), inputs: [{ name: 'x', shape: [1, 1, 12, 12] }] });
    const t = (await big.batch([0])).x!;
    expect(t.dims).toEqual([1, 1, 12, 12]);
    expect([...new Set(t.data as Float32Array)].map((x) => (x as number).toFixed(4))).toEqual(['0.2000']);
    const flat = await openDataset({
      data: join(dir, 'grey.npy'),
      inputs: [{ name: 'x', shape: [0, 16] }],
      preprocess: {},
    });
    expect((await flat.batch([0, 0])).x!.dims).toEqual([2, 16]);
    await npy('float.npy', DType.FLOAT, [2, 3], Float32Array.of(1, 2, 3, -4, 5, 6));
    const float = await openDataset({ data: join(dir, 'float.npy'), inputs: [{ name: 'x', shape: [0, 3] }] });
    expect(float.preprocess).toBeNull();
    expect([...(await float.batch([1, 0])).x!.data]).toEqual([-4, 5, 6, 1, 2, 3]);
    expect(await code(openDataset({ data: join(dir, 'float.npy'), inputs: [{ name: 'x', shape: [0, 4] }] }))).toBe(
      'data-shape',
    );
    expect(
      await code(openDataset({ data: join(dir, 'nchw.npy'), inputs: [{ name: 'x', shape: [1, 8, 8, 8] }] })),
    ).not.toBe('internal');
  });

  it('reads labels beside, inside a .npz and from text, and refuses wrong ones', async () => {
    await npy('b_images.npy', DType.UINT8, [2, 3, 4, 4], pixels);
    await npy('b_labels.npy', DType.INT64, [2], BigInt64Array.of(4n, 2n));
    const beside = await openDataset({ data: join(dir, 'b_images.npy'), inputs: [{ name: 'x', shape: [0, 3, 4, 4] }] });
    expect([...beside.labels!]).toEqual([4, 2]);
    await writeFile(join(dir, 'names.txt'), 'dog\ncat\n');
    const named = await openDataset({
      data: join(dir, 'nchw.npy'),
      labels: join(dir, 'names.txt'),
      inputs: [{ name: 'x', shape: [0, 3, 4, 4] }],
    });
    expect([[...named.labels!], named.classNames]).toEqual([
      [1, 0],
      ['cat', 'dog'],
    ]);
    await writeFile(join(dir, 'short.txt'), 'dog\n');
    expect(
      await code(
        openDataset({
          data: join(dir, 'nchw.npy'),
          labels: join(dir, 'short.txt'),
          inputs: [{ name: 'x', shape: [0, 3, 4, 4] }],
        }),
      ),
    ).toBe('data-labels');

    const zip = new ZipFile();
    zip.addBuffer(Buffer.from(encodeNpy({ dtype: DType.UINT8, dims: [2, 3, 4, 4], data: pixels })), 'x.npy', {
      compress: true,
    });
    zip.addBuffer(Buffer.from(encodeNpy({ dtype: DType.UINT8, dims: [2, 1], data: Uint8Array.of(1, 0) })), 'y.npy', {
      compress: false,
    });
    zip.end();
    const parts: Buffer[] = [];
    for await (const p of zip.outputStream) parts.push(p as Buffer);
    await writeFile(join(dir, 'both.npz'), Buffer.concat(parts));
    const npz = await openDataset({
      data: join(dir, 'both.npz'),
      inputs: [{ name: 'x', shape: [0, 3, 4, 4] }],
      preprocess: {},
    });
    expect([...npz.labels!]).toEqual([1, 0]);
    expect([...(await npz.batch([1])).x!.data]).toEqual([...pixels.subarray(48)]);
    await writeFile(join(dir, 'bad.npz'), 'PK nothing');
    expect(await code(openDataset({ data: join(dir, 'bad.npz'), inputs: [{ name: 'x', shape: [0, 3, 4, 4] }] }))).toBe(
      'data-invalid',
    );
  });

  it('draws a limited, balanced part and refuses indices outside it', async () => {
    const n = 40;
    await npy(
      'many.npy',
      DType.UINT8,
      [n, 1, 2, 2],
      new Uint8Array(n * 4).map((_, i) => i >> 2),
    );
    await writeFile(join(dir, 'many.txt'), Array.from({ length: n }, (_, i) => (i < 36 ? 0 : 1)).join('\n'));
    const d = await openDataset({
      data: join(dir, 'many.npy'),
      labels: join(dir, 'many.txt'),
      inputs: [{ name: 'x', shape: [0, 1, 2, 2] }],
      limit: 8,
      seed: 3,
      preprocess: {},
    });
    expect(d.length).toBe(8);
    expect([...d.labels!].filter((l) => l === 1)).toHaveLength(4);
    const t = (await d.batch([7])).x!;
    expect(d.name(7)).toBe(`row ${t.data[0]}`);
    expect(() => d.batch([8])).toThrow(RangeError);
  });
});
