/** Data for models with several inputs: archives, folders and tables whose parts are named after the inputs. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeNpz } from '../../../test/support/npz.ts';
import { SecateurError, type ErrorCode } from '../../shared/contract/errors.ts';
import type { HostTensor } from '../engine/executor.ts';
import { DType } from '../engine/ir/dtype.ts';
import { numberToHalf, type NumericArray } from '../engine/ir/tensor.ts';
import { numbersOf } from './cells.ts';
import { openDataset } from './dataset.ts';
import type { InputSpec } from './input-spec.ts';
import { encodeNpy } from './npy.ts';

let dir = '';
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'secateur-several-'))));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const tensor = (dtype: number, dims: number[], data: NumericArray): HostTensor => ({ dtype, dims, data });
const int64 = (dims: number[], values: number[]): HostTensor =>
  tensor(DType.INT64, dims, BigInt64Array.from(values, BigInt));
const float = (dims: number[], at: (i: number) => number = (i) => i): HostTensor =>
  tensor(
    DType.FLOAT,
    dims,
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => at(i)),
  );

/** A 2 x 2 picture and three ids below 7, an optional mask, and a step without a batch axis. */
const INPUTS: readonly InputSpec[] = [
  { name: 'ids', shape: [0, 3], dtype: DType.INT64, ids: 7 },
  { name: 'image', shape: [0, 3, 2, 2] },
  { name: 'attention_mask', shape: [0, 3], dtype: DType.INT64, optional: true },
  { name: 'step', shape: [], shared: true, optional: true },
];
const arrays = (rows = 3) => ({
  image: float([rows, 3, 2, 2]),
  ids: int64(
    [rows, 3],
    Array.from({ length: 3 * rows }, (_, i) => i % 7),
  ),
});
const open = async (content: Record<string, HostTensor>, inputs = INPUTS) =>
  openDataset({ data: await writeNpz(join(dir, 'x.npz'), content), inputs });
const numbers = (t: HostTensor): number[] => Array.from(t.data as ArrayLike<number>, Number);

async function refusal(work: Promise<unknown>): Promise<{ code: ErrorCode; message: string }> {
  const e: unknown = await work.then(
    () => null,
    (x: unknown) => x,
  );
  expect(e).toBeInstanceOf(SecateurError);
  return e as SecateurError;
}

describe('an archive of arrays', () => {
  it('gives one tensor for every input that it holds, in the order of the graph', async () => {
    const d = await open({ ...arrays(), labels: int64([3], [2, 0, 1]), step: float([], () => 500) });
    expect([...d.labels!]).toEqual([2, 0, 1]);
    expect(d.inputs).toEqual(['ids', 'image', 'step']);
    expect([d.main, d.pictures]).toEqual(['image', ['image']]);
    const batch = await d.batch([2, 0]);
    expect(numbers(batch.ids!)).toEqual([6, 0, 1, 0, 1, 2]);
    expect(batch.image!.dims).toEqual([2, 3, 2, 2]);
    expect(numbers(batch.image!)[0]).toBe(24);
    // An input without a batch axis has one value for any samples.
    expect(batch.step).toEqual(float([], () => 500));
  });

  it('takes a name for an input even where it is one of labels', async () => {
    const inputs = [{ name: 'x', shape: [0, 2] }, { name: 'label', shape: [0], dtype: DType.INT64 }]; // prettier-ignore
    const d = await open({ x: float([2, 2]), label: int64([2], [5, 6]), y: int64([2], [1, 0]) }, inputs);
    expect([...d.labels!]).toEqual([1, 0]);
    expect(numbers((await d.batch([1])).label!)).toEqual([6]);
  });

  it('turns numbers into the type of the input', async () => {
    const half = [1.5, -2, 0.25, 8].map(numberToHalf);
    const inputs = [
      { name: 'a', shape: [0, 2], dtype: DType.FLOAT16 },
      { name: 'b', shape: [0, 2] },
      { name: 'c', shape: [0, 2], dtype: DType.INT32 },
      { name: 'd', shape: [0, 2], dtype: DType.BOOL },
    ];
    const d = await open(
      {
        a: tensor(DType.FLOAT16, [2, 2], Uint16Array.from(half)),
        b: tensor(DType.FLOAT16, [2, 2], Uint16Array.from(half)),
        c: tensor(DType.DOUBLE, [2, 2], Float64Array.of(1, 2, 3, -4)),
        d: int64([2, 2], [1, 0, 0, 1]),
      },
      inputs,
    );
    const { a, b, c, d: mask } = await d.batch([0, 1]);
    expect([a!.dtype, [...a!.data]]).toEqual([DType.FLOAT16, half]);
    expect([b!.dtype, numbers(b!)]).toEqual([DType.FLOAT, [1.5, -2, 0.25, 8]]);
    expect([c!.dtype, numbers(c!)]).toEqual([DType.INT32, [1, 2, 3, -4]]);
    expect([mask!.dtype, numbers(mask!)]).toEqual([DType.BOOL, [1, 0, 0, 1]]);
  });

  const { image, ids } = arrays();
  it.each<[ErrorCode, string, Record<string, HostTensor>]>([
    ['data-input-missing', 'nothing for ids', { image }],
    ['data-input-unknown', 'hold mask', { ...arrays(), mask: int64([3], [1, 1, 1]) }],
    ['data-rows', 'ids has 3, and image has 2', { ids, image: float([2, 3, 2, 2]) }],
    [
      'data-shape',
      'input ids: a sample has the shape (4)',
      { image, ids: int64([3, 4], new Array<number>(12).fill(0)) },
    ],
    ['data-range', 'row 2 holds 7, and whole numbers from 0 to 6', { image, ids: int64([3, 3], [0, 1, 2, 3, 4, 5, 6, 7, 8]) }], // prettier-ignore
    ['data-range', 'row 1 holds 0.5', { image, ids: float([3, 3], (i) => (i === 4 ? 0.5 : 0)) }],
    ['data-not-finite', 'row 0 holds NaN', { ids, image: float([3, 3, 2, 2], (i) => (i === 5 ? NaN : 0)) }],
    ['data-shape', 'input step: it has no batch axis', { image, ids, step: float([3]) }],
    ['data-labels', '2 labels for 3 samples', { image, ids, y: int64([2], [0, 1]) }],
  ])('is refused with %s: %s', async (code, text, content) => {
    const e = await refusal(open(content));
    expect([e.code, e.message]).toEqual([code, expect.stringContaining(text)]);
  });

  it('is refused where nothing tells which of several inputs it is for', async () => {
    writeFileSync(join(dir, 'only.npy'), encodeNpy(image));
    const e = await refusal(openDataset({ data: join(dir, 'only.npy'), inputs: INPUTS }));
    expect(e).toMatchObject({ code: 'data-input-missing', message: expect.stringContaining('ids, image') as string });
  });

  it('holds int32 within its type, and booleans to 0 and 1', async () => {
    const of = (dtype: number) => [{ name: 'a', shape: [0, 1], dtype }, { name: 'b', shape: [0, 1] }]; // prettier-ignore
    const b = float([1, 1]);
    expect((await refusal(open({ a: int64([1, 1], [2 ** 31]), b }, of(DType.INT32)))).code).toBe('data-range');
    expect((await refusal(open({ a: int64([1, 1], [2]), b }, of(DType.BOOL)))).code).toBe('data-range');
  });
});

describe('one required input', () => {
  it('takes data without names where the others may be left out', async () => {
    const inputs = [INPUTS[1]!, INPUTS[2]!];
    writeFileSync(join(dir, 'plain.npy'), encodeNpy(float([2, 3, 2, 2])));
    const d = await openDataset({ data: join(dir, 'plain.npy'), inputs });
    expect(d.inputs).toEqual(['image']);
    expect(Object.keys(await d.batch([1]))).toEqual(['image']);
  });
});

describe('a folder of arrays', () => {
  it('has one file for every input, and labels beside them', async () => {
    const folder = join(dir, 'arrays');
    mkdirSync(folder);
    for (const [name, t] of Object.entries(arrays())) writeFileSync(join(folder, `${name}.npy`), encodeNpy(t));
    writeFileSync(join(folder, 'labels.txt'), 'cat\ndog\ncat\n');
    const d = await openDataset({ data: folder, inputs: INPUTS });
    expect([[...d.labels!], d.classNames]).toEqual([[0, 1, 0], ['cat', 'dog']]); // prettier-ignore
    expect(numbers((await d.batch([1])).ids!)).toEqual([3, 4, 5]);
    writeFileSync(join(folder, 'extra.npy'), encodeNpy(float([3])));
    expect((await refusal(openDataset({ data: folder, inputs: INPUTS }))).code).toBe('data-input-unknown');
  });
});

describe('a table', () => {
  const png = (red: number) =>
    sharp({ create: { width: 2, height: 2, channels: 3, background: { r: red, g: 0, b: 0 } } })
      .png()
      .toBuffer();
  const folder = () => join(dir, 'table');
  beforeAll(async () => {
    mkdirSync(folder());
    for (const [i, red] of [255, 51].entries()) writeFileSync(join(folder(), `${i}.png`), await png(red));
    for (const i of [0, 1])
      writeFileSync(join(folder(), `mask${i}.npy`), encodeNpy(int64(i ? [3] : [1, 3], [1, 1, i])));
  });
  const table = (text: string, name = 'samples.csv') => {
    writeFileSync(join(folder(), name), text);
    return openDataset({ data: join(folder(), name), inputs: INPUTS, preprocess: { rescale: 1 / 255 } });
  };

  it('has images, numbers and .npy files in its cells', async () => {
    const d = await table(
      'label,image,ids,attention_mask,step\ndog,0.png,1 2 3,mask0.npy,7\ncat,1.png,"4,5,6",mask1.npy,7\n',
    );
    expect([[...d.labels!], d.classNames]).toEqual([[1, 0], ['cat', 'dog']]); // prettier-ignore
    const batch = await d.batch([1, 0]);
    expect(numbers(batch.ids!)).toEqual([4, 5, 6, 1, 2, 3]);
    expect(numbers(batch.attention_mask!)).toEqual([1, 1, 1, 1, 1, 0]);
    expect(batch.image!.dims).toEqual([2, 3, 2, 2]);
    expect(numbers(batch.image!)[0]).toBeCloseTo(0.2);
    expect([batch.step!.dims, numbers(batch.step!)]).toEqual([[], [7]]);
  });

  it('may be separated by tabs, and lie in a folder as samples.csv', async () => {
    const d = await table('image\tids\n0.png\t[1, 2, 3]\n1.png\t4 5 6\n', 'rows.tsv');
    expect(numbers((await d.batch([0])).ids!)).toEqual([1, 2, 3]);
    await table('image,ids\n0.png,1 2 3\n1.png,4 5 6\n');
    const whole = await openDataset({ data: folder(), inputs: INPUTS, preprocess: { rescale: 1 / 255 } });
    expect(numbers((await whole.batch([1])).ids!)).toEqual([4, 5, 6]);
  });

  it('leaves the samples of damaged images out of all inputs', async () => {
    writeFileSync(join(folder(), 'bad.png'), 'not an image');
    const d = await table('image,ids\n0.png,1 2 3\nbad.png,0 0 0\n1.png,4 5 6\n');
    expect(d.length).toBe(2);
    expect(numbers((await d.batch([0, 1])).ids!)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(d.notes.join()).toContain('1 of 3 images are skipped');
  });

  it.each<[ErrorCode, string, string]>([
    ['data-input-missing', 'nothing for ids', 'image\n0.png\n'],
    ['data-input-unknown', 'hold caption', 'image,ids,caption\n0.png,1 2 3,x\n'],
    ['data-cell', 'row 1 of the column ids: "one two" is neither', 'image,ids\n0.png,1 2 3\n1.png,one two\n'],
    ['data-cell', 'it has 2 numbers and row 0 has 3; pad them', 'image,ids\n0.png,1 2 3\n1.png,1 2\n'],
    ['data-cell', 'row 1 of the column image', 'image,ids\n0.png,1 2 3\n17,1 2 3\n'],
    ['data-cell', 'it is empty', 'image,ids\n0.png,\n'],
    ['data-cell', 'one value for all samples', 'image,ids,step\n0.png,1 2 3,1\n1.png,1 2 3,2\n'],
    ['data-shape', 'has 2 numbers, and a sample has the shape (3)', 'image,ids\n0.png,1 2\n'],
    ['data-range', 'row 0 holds 9', 'image,ids\n0.png,1 2 9\n'],
    ['file-not-found', 'none.npy', 'image,ids\n0.png,none.npy\n'],
  ])('is refused with %s: %s', async (code, text, content) => {
    const e = await refusal(table(content));
    expect([e.code, e.message]).toEqual([code, expect.stringContaining(text)]);
  });

  it.each([
    ['1 2;3', [1, 2, 3]],
    ['[true, false]', [1, 0]],
    ['-1.5e2', [-150]],
    ['0x10', null],
    ['', null],
  ])('the cell %j holds %j', (cell, wanted) => expect(numbersOf(cell)).toEqual(wanted));
});
