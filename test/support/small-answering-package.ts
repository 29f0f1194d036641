/** A vision-language package that answers, with random weights and a vocabulary of letters. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { saveModelFile } from '../../src/main/storage/model-files.ts';
import { plainDecoder, SMALL } from './small-decoder.ts';
import { decoder, embedTokens, IMAGE_TOKENS, visionEncoder } from './small-package.ts';

/** Token that stands for one image feature. */
export const PLACEHOLDER = 10;

const WORDS = [...'abcdefghij', '#'];

/**
 * Writes the package to a folder, which is created if needed. Its encoder takes pictures of 16 x 16.
 * @param deep with a decoder of four layers, width 64 and rotary positions
 */
export function writeAnsweringPackage(
  folder: string,
  config: Readonly<Record<string, unknown>> = {},
  deep = false,
): string {
  const width = deep ? SMALL.width : undefined;
  mkdirSync(join(folder, 'onnx'), { recursive: true });
  saveModelFile(visionEncoder(width), join(folder, 'onnx/vision_encoder.onnx'));
  saveModelFile(visionEncoder(width), join(folder, 'onnx/vision_encoder_fp16.onnx'));
  saveModelFile(embedTokens(width), join(folder, 'onnx/embed_tokens.onnx'));
  saveModelFile(deep ? plainDecoder() : decoder(), join(folder, 'onnx/decoder_model_merged.onnx'));
  const json = (name: string, value: unknown): void => writeFileSync(join(folder, name), JSON.stringify(value));
  const vocab = Object.fromEntries(WORDS.map((word, i) => [word, i]));
  json('config.json', { model_type: 'gemma3', image_token_id: PLACEHOLDER, mm_tokens_per_image: IMAGE_TOKENS, text_config: { head_dim: deep ? SMALL.size : 8 }, ...config }); // prettier-ignore
  json('processor_config.json', { image_seq_length: IMAGE_TOKENS });
  json('preprocessor_config.json', { size: { height: 16, width: 16 }, image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] }); // prettier-ignore
  json('vocab.json', { vocab });
  writeFileSync(join(folder, '.hidden'), 'not a part of the package');
  return folder;
}
