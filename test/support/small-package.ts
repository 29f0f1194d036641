/** A vision-language package of three components in an exporter's layout, with random weights. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { int, ints } from '../../src/main/engine/ir/attribute.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import type { Value } from '../../src/main/engine/ir/value.ts';
import { saveModelFile } from '../../src/main/storage/model-files.ts';
import { Net } from './topologies.ts';

const WIDTH = 8;
const VOCABULARY = 11;
/** An image of 16 x 16 in patches of 4 x 4. */
export const IMAGE_TOKENS = 16;

const named = (model: Model, v: Value, name: string): void => {
  v.name = name;
  model.graph.outputs.push(v);
};

/** pixel_values [batch, 3, 16, 16] -> image_features [batch, 16, width]; two convolutions, 24 channels between them. */
export function visionEncoder(width: number = WIDTH): Model {
  const n = new Net();
  const x = n.model.graph.addInput('pixel_values', { elemType: DType.FLOAT, shape: ['batch', 3, 16, 16] });
  const hidden = n.relu(n.conv(x, 3, 24));
  const patches = n.op('Conv', [hidden, n.weight(width, 24, 4, 4)], { strides: ints([4, 4]) });
  const tokens = n.op('Reshape', [patches, n.ints(0, width, -1)]);
  named(n.model, n.op('Transpose', [tokens], { perm: ints([0, 2, 1]) }), 'image_features');
  return n.model;
}

/** input_ids [batch, sequence] -> inputs_embeds [batch, sequence, width] */
export function embedTokens(width: number = WIDTH): Model {
  const n = new Net();
  const ids = n.model.graph.addInput('input_ids', { elemType: DType.INT64, shape: ['batch', 'sequence'] });
  named(n.model, n.op('Gather', [n.weight(VOCABULARY, width), ids]), 'inputs_embeds');
  return n.model;
}

/**
 * One layer with one head and a cache, then a feed-forward part of 32; logits [batch, sequence,
 * 11].
 */
export function decoder(): Model {
  const n = new Net();
  const { graph } = n.model;
  const input = (name: string, elemType: number, ...shape: (number | string)[]): Value =>
    graph.addInput(name, { elemType, shape });
  const x = input('inputs_embeds', DType.FLOAT, 'batch', 'sequence', WIDTH);
  const mask = input('attention_mask', DType.INT64, 'batch', 'total');
  const past = (kind: string): Value => input(`past_key_values.0.${kind}`, DType.FLOAT, 'batch', 1, 'past', WIDTH);
  const [pastKey, pastValue] = [past('key'), past('value')];
  const head = (): Value => n.op('Unsqueeze', [n.linear(x, WIDTH, WIDTH), n.ints(1)]);
  const keys = n.op('Concat', [pastKey, head()], { axis: int(2) });
  const values = n.op('Concat', [pastValue, head()], { axis: int(2) });
  const scores = n.op('MatMul', [head(), n.op('Transpose', [keys], { perm: ints([0, 1, 3, 2]) })]);
  const allowed = n.op('Unsqueeze', [n.op('Cast', [mask], { to: int(DType.FLOAT) }), n.ints(1, 2)]);
  const mixed = n.op('MatMul', [n.op('Softmax', [n.op('Mul', [scores, allowed])], { axis: int(-1) }), values]);
  const h = n.add(x, n.linear(n.op('Squeeze', [mixed, n.ints(1)]), WIDTH, WIDTH));
  const fed = n.linear(n.relu(n.linear(h, WIDTH, 4 * WIDTH)), 4 * WIDTH, WIDTH);
  named(n.model, n.linear(n.add(h, fed), WIDTH, VOCABULARY), 'logits');
  named(n.model, n.op('Identity', [keys]), 'present.0.key');
  named(n.model, n.op('Identity', [values]), 'present.0.value');
  return n.model;
}

/** Writes the package to a folder, which is created if needed. */
export function writeSmallPackage(folder: string): string {
  mkdirSync(join(folder, 'onnx'), { recursive: true });
  saveModelFile(visionEncoder(), join(folder, 'onnx/vision_encoder.onnx'));
  saveModelFile(embedTokens(), join(folder, 'onnx/embed_tokens.onnx'));
  saveModelFile(decoder(), join(folder, 'onnx/decoder_model_merged.onnx'));
  const config = { model_type: 'small', image_seq_length: IMAGE_TOKENS, text_config: { head_dim: WIDTH } };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'tokenizer.json'), '{}');
  return folder;
}
