import { expect, it } from 'vitest';
import { planImage } from '../../images/plan.ts';
import { fewerTiles, pixelConfigs } from './pixel-configs.ts';

const clip = {
  'config.json': { model_type: 'llava', image_seq_length: 64, vision_config: { image_size: 112, patch_size: 14 } },
  'processor_config.json': { patch_size: 14, num_additional_image_tokens: 0, vision_feature_select_strategy: 'full' },
  'preprocessor_config.json': { do_center_crop: true, crop_size: { height: 112, width: 112 }, size: { shortest_edge: 128 } }, // prettier-ignore
};

it('scales the crop and the resize before it, and the declared size of the model', () => {
  const { 'preprocessor_config.json': preprocessor, 'config.json': config } = clip;
  const vit = { 'preprocessor_config.json': preprocessor, 'config.json': { ...config, model_type: 'vit' } };
  expect(pixelConfigs(vit, { from: [112, 112], to: [84, 84] })).toEqual({
    configs: {
      'preprocessor_config.json': { do_center_crop: true, crop_size: { height: 84, width: 84 }, size: { shortest_edge: 96 } }, // prettier-ignore
      'config.json': { model_type: 'vit', image_seq_length: 64, vision_config: { image_size: 84, patch_size: 14 } },
    },
    notes: [],
  });
});

it('counts the patches of the new size for LLaVA', () => {
  const changed = pixelConfigs(clip, { from: [112, 112], to: [84, 70], tokens: { from: 64, to: 30 } });
  expect(changed).toMatchObject({
    configs: {
      'processor_config.json': { num_additional_image_tokens: 0 },
      'config.json': { image_seq_length: 30, vision_config: { image_size: [84, 70] } },
      'preprocessor_config.json': { crop_size: { height: 84, width: 70 } },
    },
  });
});

it('refuses packages that declare no such size', () => {
  expect(pixelConfigs({}, { from: [8, 8], to: [4, 4] })).toEqual({ refused: expect.stringContaining('has no preprocessor') }); // prettier-ignore
  const other = { 'preprocessor_config.json': { size: { height: 9, width: 9 } } };
  expect(pixelConfigs(other, { from: [8, 8], to: [4, 4] })).toEqual({ refused: expect.stringContaining('8 x 8') });
  const qwen = { ...clip, 'config.json': { model_type: 'qwen2_vl' } };
  const tokens = { from: 64, to: 16 };
  expect(pixelConfigs(qwen, { from: [112, 112], to: [56, 56], tokens })).toEqual({ refused: expect.stringContaining('grid of patches') }); // prettier-ignore
});

it('cuts pictures into fewer tiles, as many as the plan of a square picture has', () => {
  const smol = (longest_edge: number): Record<string, unknown> => ({ 'preprocessor_config.json': { do_image_splitting: true, max_image_size: { longest_edge: 512 }, size: { longest_edge } } }); // prettier-ignore
  const choices = fewerTiles(smol(2048));
  expect(choices.map((c) => c.tiles)).toEqual([10, 5, 1]);
  for (const { tiles, configs } of choices) {
    const config = configs['preprocessor_config.json'] as { do_image_splitting: boolean; size: { longest_edge: number } }; // prettier-ignore
    const recipe = { channels: 3, filter: 'bilinear', crop: null, rescale: 1, mean: null, std: null } as const;
    const resize = { kind: 'longest-edge', edge: config.size.longest_edge } as const;
    const plan = planImage({ ...recipe, resize, tiles: { side: 512, split: config.do_image_splitting } }, 900, 900);
    expect(plan.images).toBe(tiles);
  }
  expect(fewerTiles(smol(512))).toEqual([]);
  expect(fewerTiles({ 'preprocessor_config.json': { do_image_splitting: false } })).toEqual([]);
  expect(fewerTiles({})).toEqual([]);
});
