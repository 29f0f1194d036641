import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DType } from '../engine/ir/dtype.ts';
import { processImage } from './image-processor.ts';
import { imageRecipeOf } from './image-recipe.ts';

const folder = mkdtempSync(join(tmpdir(), 'secateur-processor-'));
const file = join(folder, 'picture.png');
const turned = join(folder, 'turned.jpg');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** 6 x 4 pixels: red rises from left to right, green from top to bottom. */
beforeAll(async () => {
  const data = Uint8Array.from({ length: 72 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % 6, Math.floor(i / 18)];
    return [40 * x, 60 * y, 200][i % 3]!;
  });
  const raw = { width: 6, height: 4, channels: 3 as const };
  await sharp(data, { raw }).png().toFile(file);
  await sharp(data, { raw }).withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toFile(turned);
});

const port = (...shape: (number | string)[]) => ({ name: 'pixel_values', shape, dtype: DType.FLOAT });
const recipeOf = (config: Record<string, unknown>, p = port('b', 3, 4, 4)) =>
  imageRecipeOf({ 'preprocessor_config.json': config }, p).recipe;

describe('imageRecipeOf', () => {
  it('reads the keys of Hugging Face processors', () => {
    const config = {
      size: { shortest_edge: 4 },
      crop_size: { height: 4, width: 4 },
      do_center_crop: true,
      resample: 3,
      rescale_factor: 0.5,
      image_mean: [1, 2, 3],
      image_std: [4, 5, 6],
    };
    expect(recipeOf(config)).toEqual({
      channels: 3,
      resize: { kind: 'shortest-edge', edge: 4 },
      filter: 'bicubic',
      crop: { width: 4, height: 4 },
      tiles: null,
      rescale: 0.5,
      mean: [1, 2, 3],
      std: [4, 5, 6],
    });
    expect(recipeOf({ size: { height: 4, width: 4 }, do_rescale: false })).toMatchObject({
      resize: { kind: 'exact', width: 4, height: 4 },
      filter: 'bilinear',
      rescale: 1,
      mean: null,
    });
  });

  it('cuts tiles for encoders of five axes', () => {
    const tiles = port('b', 'n', 3, 4, 4);
    const config = { size: { longest_edge: 8 }, max_image_size: { longest_edge: 4 }, resample: 1 };
    expect(recipeOf(config, tiles)).toMatchObject({
      resize: { kind: 'longest-edge', edge: 8 },
      filter: 'lanczos',
      tiles: { side: 4, split: true },
    });
    expect(recipeOf({ ...config, do_image_splitting: false }, tiles).tiles).toEqual({ side: 4, split: false });
    expect(() => recipeOf({ size: { longest_edge: 8 } }, tiles)).toThrow(/max_image_size/);
  });

  it('reads transforms of onnxruntime-extensions', () => {
    const of = (...operations: object[]) => ({
      'processor_config.json': { processor: { transforms: operations.map((operation) => ({ operation })) } },
    });
    const steps = of(
      { type: 'DecodeImage' },
      { type: 'Resize', attrs: { width: 9, height: 9, smart_resize: 1 } },
      { type: 'Rescale', attrs: { rescale_factor: 0.25 } },
      { type: 'Normalize', attrs: { mean: [1, 1, 1], std: [2, 2, 2] } },
    );
    expect(imageRecipeOf(steps, port('b', 3, 4, 4)).recipe).toMatchObject({
      resize: { kind: 'exact', width: 4, height: 4 },
      filter: 'bicubic',
      rescale: 0.25,
      mean: [1, 1, 1],
      std: [2, 2, 2],
    });
    expect(() => imageRecipeOf(steps, port('b', 3, 'h', 'w'))).toThrow(/smart_resize/);
    expect(() => imageRecipeOf(of({ type: 'Blur' }), port('b', 3, 4, 4))).toThrow(/Blur is unknown/);
  });

  it('deduces what no file says, and notes it', () => {
    const { recipe, notes } = imageRecipeOf({}, port('b', 1, 4, 4));
    expect(recipe).toMatchObject({ channels: 1, resize: { kind: 'exact', width: 4, height: 4 }, rescale: 1 / 255 });
    expect(notes).toEqual([
      'The package does not describe its image processor: the picture is resized to 4 x 4 and divided by 255.',
    ]);
    expect(imageRecipeOf({}, port('b', 1, 'h', 'w')).recipe.resize).toBeNull();
  });

  it.each([
    [port('patches', 1176), /2 axes/],
    [port('b', 5, 4, 4), /5 channels/],
  ])('refuses %j', (p, message) => {
    expect(() => imageRecipeOf({}, p)).toThrow(message);
  });
});

describe('processImage', () => {
  it('crops the centre and normalizes by channel', async () => {
    const p = port('b', 3, 4, 4);
    const recipe = recipeOf(
      {
        do_resize: false,
        crop_size: 4,
        do_center_crop: true,
        image_mean: [0, 0, 100],
        image_std: [1, 2, 4],
        do_rescale: false,
      },
      p,
    );
    const { tensors, grid } = await processImage(file, recipe, p);
    const { dims, data } = tensors['pixel_values']!;
    expect(dims).toEqual([1, 3, 4, 4]);
    expect([...(data as Float32Array).subarray(0, 4)]).toEqual([40, 80, 120, 160]);
    expect([...(data as Float32Array).subarray(16, 32)]).toEqual([0, 30, 60, 90].flatMap((v) => [v, v, v, v]));
    expect(data[32]).toBe(25);
    expect(grid).toEqual({ rows: 0, columns: 0, images: 1, tiled: false });
  });

  it('makes tiles and an overview', async () => {
    const p = port('b', 'n', 3, 4, 4);
    const config = { size: { longest_edge: 8 }, max_image_size: { longest_edge: 4 }, resample: 0, do_rescale: false };
    const { tensors, grid } = await processImage(file, recipeOf(config, p), p);
    expect(tensors['pixel_values']!.dims).toEqual([1, 5, 3, 4, 4]);
    expect(grid).toEqual({ rows: 2, columns: 2, images: 5, tiled: true });
    const data = tensors['pixel_values']!.data as Float32Array;
    expect([...data.subarray(0, 4)]).toEqual([0, 40, 40, 80]);
    expect([...data.subarray(48, 52)]).toEqual([120, 160, 160, 200]);
    // The overview follows the four tiles.
    expect([...data.subarray(192, 196)]).toEqual([40, 80, 160, 200]);
  });

  it('makes luma for encoders of one channel', async () => {
    const p = port('b', 1, 4, 6);
    const { tensors } = await processImage(file, imageRecipeOf({}, p).recipe, p);
    const { dims, data } = tensors['pixel_values']!;
    expect(dims).toEqual([1, 1, 4, 6]);
    // 0.299 * 40 + 0.587 * 0 + 0.114 * 200 = 34.76.
    expect(data[1]).toBeCloseTo(35 / 255, 6);
  });

  it('turns a picture upright', async () => {
    const p = port('b', 3, 'h', 'w');
    const { tensors } = await processImage(turned, recipeOf({ do_rescale: false }, p), p);
    expect(tensors['pixel_values']!.dims).toEqual([1, 3, 6, 4]);
  });

  it('refuses a size that the encoder does not take', async () => {
    const p = port('b', 3, 5, 5);
    await expect(processImage(file, recipeOf({ size: { height: 4, width: 4 } }, p), p)).rejects.toMatchObject({
      code: 'run-image',
    });
  });
});
