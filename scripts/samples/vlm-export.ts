// Writes the vision-language sample as packages in the layout of transformers.js: scenes-vlm with the
// decoder in single operators, and scenes-vlm-gqa with GroupQueryAttention and the same weights.
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Model } from '../../src/main/engine/ir/model.ts';
import type { Tensor } from '../../src/main/engine/ir/tensor.ts';
import { buildDecoder } from '../../src/main/engine/sample/vlm/decoder.ts';
import { VLM_SIZES, initialWeights, type Weights } from '../../src/main/engine/sample/vlm/sizes.ts';
import { buildEmbedding, buildVisionEncoder } from '../../src/main/engine/sample/vlm/vision.ts';
import { configurations } from '../../src/main/engine/sample/vlm/configurations.ts';
import { openModelFile, saveModelFile } from '../../src/main/storage/model-files.ts';

/** Weights of an exported package: initializers keep the names that training gives them. */
export function readVlmWeights(folder: string): Weights {
  const found = new Map<string, Tensor>();
  for (const file of ['vision_encoder', 'embed_tokens', 'decoder_model_merged'])
    for (const v of openModelFile(join(folder, 'onnx', `${file}.onnx`)).graph.initializers)
      if (v.initializer) found.set(v.name, v.initializer);
  return new Map([...initialWeights(VLM_SIZES, 0).keys()].map((name) => {
    const tensor = found.get(name);
    if (!tensor) throw new Error(`${folder} has no weight ${name}`);
    return [name, tensor] as const;
  })); // prettier-ignore
}

/** Total size of the written files in bytes. */
export function exportVlm(weights: Weights, out: string): number {
  let bytes = 0;
  const write = (folder: string, file: string, model: Model): void => {
    model.docString = 'Part of a model that answers questions about procedural scenes. Trained by `npm run samples`.';
    saveModelFile(model, join(folder, 'onnx', file));
    bytes += statSync(join(folder, 'onnx', file)).size;
  };
  for (const form of ['decomposed', 'gqa'] as const) {
    const folder = join(out, form === 'gqa' ? 'scenes-vlm-gqa' : 'scenes-vlm');
    mkdirSync(join(folder, 'onnx'), { recursive: true });
    write(folder, 'vision_encoder.onnx', buildVisionEncoder(VLM_SIZES, weights));
    write(folder, 'embed_tokens.onnx', buildEmbedding(VLM_SIZES, weights));
    write(folder, 'decoder_model_merged.onnx', buildDecoder(VLM_SIZES, weights, form));
    for (const [file, content] of Object.entries(configurations(VLM_SIZES))) {
      const text = JSON.stringify(content, null, 2) + '\n';
      writeFileSync(join(folder, file), text);
      bytes += text.length;
    }
  }
  return bytes;
}
