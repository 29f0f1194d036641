import { expect, it } from 'vitest';
import { countConfigs, type Configs } from './counts.ts';

const change = { from: 16, to: 8 };
const of = (type: string, rest: object = {}): Configs => ({ 'config.json': { model_type: type, ...rest } });

it('writes the number where SmolVLM, Gemma and PaliGemma read it, and where config.json repeats it', () => {
  const smol = { ...of('idefics3'), 'processor_config.json': { image_seq_len: 16, processor_class: 'Idefics3Processor' } }; // prettier-ignore
  expect(countConfigs(smol, change)).toEqual({
    configs: { 'processor_config.json': { image_seq_len: 8, processor_class: 'Idefics3Processor' } },
    notes: [],
  });
  expect(countConfigs(of('gemma3', { mm_tokens_per_image: 16, hidden_size: 16 }), change)).toEqual({
    configs: {
      'processor_config.json': { image_seq_length: 8 },
      'config.json': { model_type: 'gemma3', mm_tokens_per_image: 8, hidden_size: 16 },
    },
    notes: [],
  });
  const pali = { ...of('paligemma', { text_config: { num_image_tokens: 16 } }), 'preprocessor_config.json': { size: 1 } }; // prettier-ignore
  expect(countConfigs(pali, change)).toMatchObject({
    configs: {
      'preprocessor_config.json': { size: 1, image_seq_length: 8 },
      'config.json': { text_config: { num_image_tokens: 8 } },
    },
  });
});

it('gives LLaVA the difference to the patches that runners count', () => {
  const configs = {
    ...of('llava', { image_seq_length: 64, vision_config: { patch_size: 14 }, vision_feature_select_strategy: 'default' }), // prettier-ignore
    'processor_config.json': { patch_size: 14, num_additional_image_tokens: 1, vision_feature_select_strategy: 'default' }, // prettier-ignore
    'preprocessor_config.json': { do_center_crop: true, crop_size: { height: 112, width: 112 }, size: { shortest_edge: 112 } }, // prettier-ignore
  };
  const changed = countConfigs(configs, { from: 64, to: 20 });
  expect(changed).toMatchObject({
    configs: {
      'processor_config.json': { num_additional_image_tokens: -44, vision_feature_select_strategy: 'full' },
      'config.json': { image_seq_length: 20, vision_feature_select_strategy: 'default' },
    },
  });
  const free = { ...configs, 'preprocessor_config.json': { do_center_crop: false, size: { shortest_edge: 112 } } };
  expect(countConfigs(free, { from: 64, to: 20 })).toEqual({ refused: expect.stringContaining('no fixed size') });
});

it('changes nothing for models without placeholders', () => {
  for (const type of ['florence2', 'vision-encoder-decoder', 'blip', 'clip', 'vit'])
    expect(countConfigs(of(type), change)).toEqual({ configs: {}, notes: [] });
});

it('refuses numbers that runners compute, and models that it does not know', () => {
  expect(countConfigs(of('qwen2_vl'), change)).toEqual({ refused: expect.stringContaining('grid of patches') });
  expect(countConfigs(of('llava_next'), change)).toEqual({ refused: expect.stringContaining('size of the picture') });
  expect(countConfigs(of('newvlm'), change)).toEqual({ refused: expect.stringContaining('newvlm') });
  expect(countConfigs({}, change)).toEqual({ refused: expect.stringContaining('this package') });
  expect(countConfigs({ ...of('gemma3'), 'genai_config.json': {} }, change)).toEqual({ refused: expect.stringContaining('256') }); // prettier-ignore
  const other = { ...of('smolvlm'), 'processor_config.json': { image_seq_len: 64 } };
  expect(countConfigs(other, change)).toEqual({ refused: expect.stringContaining('declares 64') });
});

it('notes a runner whose count is not known', () => {
  const llava = { ...of('llava', { vision_config: { patch_size: 14 } }), 'preprocessor_config.json': { size: { height: 112, width: 112 } }, 'genai_config.json': {} }; // prettier-ignore
  expect(countConfigs(llava, { from: 64, to: 8 })).toMatchObject({ notes: [expect.stringContaining('onnxruntime-genai')] }); // prettier-ignore
});
