import { describe, expect, it } from 'vitest';
import { planImage } from './plan.ts';
import type { ImageRecipe } from './recipe.ts';

const base: ImageRecipe = {
  channels: 3,
  resize: null,
  filter: 'bicubic',
  crop: null,
  tiles: null,
  rescale: 1 / 255,
  mean: null,
  std: null,
};

describe('planImage', () => {
  it('resizes the shortest edge and crops the centre', () => {
    const recipe: ImageRecipe = {
      ...base,
      resize: { kind: 'shortest-edge', edge: 112 },
      crop: { width: 112, height: 112 },
    };
    expect(planImage(recipe, 640, 427)).toMatchObject({
      resizes: [{ width: 167, height: 112 }],
      size: { width: 112, height: 112 },
      images: 1,
      rows: 0,
    });
    expect(planImage(recipe, 300, 500).resizes).toEqual([{ width: 112, height: 186 }]);
  });

  const tiles: ImageRecipe = {
    ...base,
    resize: { kind: 'longest-edge', edge: 256 },
    tiles: { side: 128, split: true },
  };
  it('cuts whole tiles and adds an overview', () => {
    const plan = planImage(tiles, 500, 333);
    // 256 x trunc(256 / 1.5015) = 170, then whole tiles.
    expect(plan.resizes).toEqual([
      { width: 256, height: 170 },
      { width: 256, height: 256 },
    ]);
    expect(plan.tiles.map(({ x, y }) => [x, y])).toEqual([
      [0, 0],
      [128, 0],
      [0, 128],
      [128, 128],
    ]);
    expect(plan).toMatchObject({ rows: 2, columns: 2, images: 5, overview: { width: 128, height: 128 } });
  });

  it('follows the shape of a wide picture, with an even short side', () => {
    const plan = planImage(tiles, 1000, 301);
    expect(plan.resizes[0]).toEqual({ width: 256, height: 78 });
    expect(plan).toMatchObject({ rows: 1, columns: 2, images: 3 });
  });

  it('keeps a picture of one tile, or without splitting, in one piece', () => {
    const one: ImageRecipe = { ...tiles, resize: { kind: 'longest-edge', edge: 128 } };
    expect(planImage(one, 500, 333)).toMatchObject({ rows: 0, images: 1, tiles: [], overview: null });
    const whole = planImage({ ...tiles, tiles: { side: 128, split: false } }, 500, 333);
    expect(whole.resizes.at(-1)).toEqual({ width: 128, height: 128 });
    expect(whole.images).toBe(1);
  });
});
