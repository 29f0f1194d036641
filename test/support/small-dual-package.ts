/** A dual encoder with random weights: a small vision transformer, and a text encoder that counts letters. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { int } from '../../src/main/engine/ir/attribute.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { f32 } from '../../src/main/engine/ir/tensor.ts';
import { saveModelFile } from '../../src/main/storage/model-files.ts';
import { Net } from './topologies.ts';
import { buildTransformer } from './transformer.ts';

/** Width of the vectors, and number of letters. */
const WIDTH = 5;
/** Patches per side of a picture of 24 x 24. */
export const DUAL_SIDE = 6;

function imageTower(): Model {
  const model = buildTransformer({ side: DUAL_SIDE, batch: 'batch' });
  model.graph.inputs[0]!.name = 'pixel_values';
  model.graph.outputs[0]!.name = 'image_embeds';
  return model;
}

/** input_ids [batch, sequence] -> text_embeds [batch, 5]: how often each letter occurs. */
function textTower(): Model {
  const n = new Net();
  const ids = n.model.graph.addInput('input_ids', { elemType: DType.INT64, shape: ['batch', 'sequence'] });
  const eye = Float32Array.from({ length: WIDTH * WIDTH }, (_, i) => Number(i % (WIDTH + 1) === 0));
  const rows = n.op('Gather', [n.constant(f32(eye, [WIDTH, WIDTH])), ids]);
  const out = n.op('ReduceSum', [rows, n.ints(1)], { keepdims: int(0) });
  out.name = 'text_embeds';
  n.model.graph.outputs.push(out);
  return n.model;
}

/** Writes the package to a folder, which is created if needed. Texts consist of the letters a to e. */
export function writeDualPackage(folder: string): string {
  mkdirSync(join(folder, 'onnx'), { recursive: true });
  saveModelFile(imageTower(), join(folder, 'onnx/vision_model.onnx'));
  saveModelFile(textTower(), join(folder, 'onnx/text_model.onnx'));
  const json = (name: string, value: unknown): void => writeFileSync(join(folder, name), JSON.stringify(value));
  json('config.json', { model_type: 'clip', text_config: { max_position_embeddings: 8 } });
  json('preprocessor_config.json', { size: { height: 4 * DUAL_SIDE, width: 4 * DUAL_SIDE }, image_mean: [0.5, 0.5, 0.5], image_std: [0.2, 0.2, 0.2] }); // prettier-ignore
  json('vocab.json', { vocab: Object.fromEntries([...'abcde'].map((letter, i) => [letter, i])) });
  return folder;
}
