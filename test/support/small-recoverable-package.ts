/** A vision-language package with a causal decoder of rotary positions, random weights and a vocabulary of letters. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { int, ints } from '../../src/main/engine/ir/attribute.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { saveModelFile } from '../../src/main/storage/model-files.ts';
import { PLACEHOLDER } from './small-answering-package.ts';
import { SMALL } from './small-decoder.ts';
import { Net } from './topologies.ts';

/** Tokens of a picture of 16 x 16. */
export const TOKENS = 16;

/** pixel_values [batch, 3, 16, 16] -> image_features [batch, 16, width] */
function visionEncoder(): Model {
  const n = new Net();
  const x = n.model.graph.addInput('pixel_values', { elemType: DType.FLOAT, shape: ['batch', 3, 16, 16] });
  const patches = n.op('Conv', [x, n.weight(SMALL.width, 3, 4, 4)], { strides: ints([4, 4]) });
  const tokens = n.op('Transpose', [n.op('Reshape', [patches, n.ints(0, SMALL.width, -1)])], { perm: ints([0, 2, 1]) });
  const features = n.op('MatMul', [tokens, n.weight(SMALL.width, SMALL.width)]);
  features.name = 'image_features';
  n.model.graph.outputs.push(features);
  return n.model;
}

function embedTokens(): Model {
  const n = new Net();
  const ids = n.model.graph.addInput('input_ids', { elemType: DType.INT64, shape: ['batch', 'seq'] });
  const rows = n.op('Gather', [n.weight(SMALL.words, SMALL.width), ids], { axis: int(0) });
  rows.name = 'inputs_embeds';
  n.model.graph.outputs.push(rows);
  return n.model;
}

export function writeRecoverablePackage(folder: string, decoder: Model): string {
  mkdirSync(join(folder, 'onnx'), { recursive: true });
  saveModelFile(visionEncoder(), join(folder, 'onnx/vision_encoder.onnx'));
  saveModelFile(embedTokens(), join(folder, 'onnx/embed_tokens.onnx'));
  saveModelFile(decoder, join(folder, 'onnx/decoder_model_merged.onnx'));
  const json = (name: string, value: unknown): void => writeFileSync(join(folder, name), JSON.stringify(value));
  json('config.json', { model_type: 'gemma3', image_token_id: PLACEHOLDER, mm_tokens_per_image: TOKENS, text_config: { head_dim: SMALL.size } }); // prettier-ignore
  json('processor_config.json', { image_seq_length: TOKENS });
  json('preprocessor_config.json', { size: { height: 16, width: 16 }, image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] }); // prettier-ignore
  json('vocab.json', { vocab: Object.fromEntries([...'abcdefghij', '#'].map((word, i) => [word, i])) });
  return folder;
}
