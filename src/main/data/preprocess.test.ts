import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { expectImages } from './expect.ts';
import { centerCrop, resizedSize } from './pixels.ts';
import { fromHuggingFace, parsePreprocess, resolvePreprocess } from './preprocess.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'secateur-pre-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

it.each([
  [{ meen: [1] }, /meen/],
  [{ std: [0] }, /std\.0.*0/],
  [{ layout: 'CHW' }, /layout/],
  [{ resize: { width: 3 } }, /resize/],
  [{ dtype: 'uint8', rescale: 2 }, /uint8/],
  [[], /./],
])('refuses %j and names the key', (value, message) => {
  expect(() => parsePreprocess(value, 'p.json')).toThrow(message);
});

it('reads the configuration of a vision transformer and of a convolutional network', () => {
  const vit = {
    do_normalize: true,
    do_resize: true,
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.5],
    resample: 2,
    size: 224,
  };
  expect(fromHuggingFace(vit, 'p').preprocess).toEqual({
    layout: 'NCHW',
    dtype: 'float32',
    colorOrder: 'RGB',
    resize: { width: 224, height: 224 },
    interpolation: 'bilinear',
    rescale: 1 / 255,
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  });
  const resnet = {
    crop_pct: 0.875,
    do_resize: true,
    size: { shortest_edge: 224 },
    resample: 3,
    do_normalize: false,
    do_rescale: false,
  };
  expect(fromHuggingFace(resnet, 'p').preprocess).toEqual({
    layout: 'NCHW',
    dtype: 'float32',
    colorOrder: 'RGB',
    resize: { shortestEdge: 256 },
    crop: { width: 224, height: 224 },
    interpolation: 'bicubic',
  });
  const crop = {
    do_center_crop: true,
    crop_size: { height: 20, width: 10 },
    size: { shortest_edge: 32 },
    rescale_factor: 0.5,
  };
  expect(fromHuggingFace(crop, 'p').preprocess).toMatchObject({ crop: { width: 10, height: 20 }, rescale: 0.5 });
});

it('finds the file beside the model, and prefers the one given', async () => {
  await mkdir(join(dir, 'onnx'));
  const model = join(dir, 'onnx/model.onnx');
  expect((await resolvePreprocess(model)).preprocess).toBeNull();
  await writeFile(join(dir, 'preprocessor_config.json'), JSON.stringify({ do_rescale: true, rescale_factor: 2 }));
  expect(await resolvePreprocess(model)).toMatchObject({ source: 'huggingface', preprocess: { rescale: 2 } });
  await writeFile(join(dir, 'onnx/model.preprocess.json'), '{"rescale": 3}');
  expect(await resolvePreprocess(model)).toMatchObject({ source: 'beside the model', preprocess: { rescale: 3 } });
  await writeFile(join(dir, 'mine.json'), '{"rescale": 4}');
  expect((await resolvePreprocess(model, join(dir, 'mine.json'))).preprocess).toEqual({ rescale: 4 });
  await writeFile(join(dir, 'mine.json'), '{"rescale": ');
  await expect(resolvePreprocess(model, join(dir, 'mine.json'))).rejects.toThrow(/not JSON/);
});

it('completes preprocessing from the input and finds contradictions', () => {
  const notes: string[] = [];
  expect(expectImages([1, 257, 257, 3], 1, null, 3, notes)).toMatchObject({
    layout: 'NHWC',
    channels: 3,
    target: { width: 257, height: 257 },
  });
  expect(notes).toHaveLength(1);
  expect(expectImages([0, 1, 28, 28], 1, null, 3, []).preprocess.colorOrder).toBe('GRAY');
  expect(() => expectImages([1, 3, 32, 32], 1, { layout: 'NHWC' }, 3, [])).toThrow(/32 channels/);
  expect(() => expectImages([1, 3, 32, 32], 1, { colorOrder: 'GRAY' }, 3, [])).toThrow(/not grey/);
  expect(() => expectImages([1, 3, 32, 32], 1, { mean: [1, 2] }, 3, [])).toThrow(/2 values for 3/);
  expect(() => expectImages([1, 77], 1, null, 3, [])).not.toThrow();
  expect(() => expectImages([1, 77, 3], 1, null, 3, [])).toThrow(/not a batch of images/);
});

it('resizes and crops as the training libraries do', () => {
  expect(resizedSize({ shortestEdge: 256 }, 500, 375)).toEqual({ width: 341, height: 256 });
  expect(resizedSize({ shortestEdge: 256 }, 375, 500)).toEqual({ width: 256, height: 341 });
  const p = { data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), width: 3, height: 3, channels: 1 };
  expect([...centerCrop(p, 1, 3).data]).toEqual([2, 5, 8]);
  expect([...centerCrop(p, 5, 1).data]).toEqual([0, 4, 5, 6, 0]);
});
