/**
 * A package of the size and layout of SmolVLM-256M with random weights: an encoder of 12 layers for tiles of 512 x 512
 * pixels, a pixel shuffle to 64 tokens per tile, a decoder of 30 layers and 49,280 words. 1 GB.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { int, ints } from '../../src/main/engine/ir/attribute.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { f32, type Tensor } from '../../src/main/engine/ir/tensor.ts';
import { seededRandom } from '../../src/main/engine/random.ts';
import { buildDecoder } from '../../src/main/engine/sample/vlm/decoder.ts';
import { Net } from '../../src/main/engine/sample/vlm/parts.ts';
import type { VlmSizes } from '../../src/main/engine/sample/vlm/sizes.ts';
import { buildEmbedding, emitVisionLayers } from '../../src/main/engine/sample/vlm/vision.ts';
import { saveModelFile } from '../../src/main/storage/model-files.ts';

const SIDE = 512;
const PATCH = 16;
const SCALE = 4;
/** Tokens per tile. */
const TOKENS = (SIDE / PATCH / SCALE) ** 2;

const SIZES: VlmSizes = {
  picture: SIDE,
  stem: [768],
  visionLayers: 12,
  visionHeads: 12,
  visionHidden: 3072,
  width: 576,
  layers: 30,
  heads: 9,
  kvHeads: 3,
  hidden: 1536,
  vocabulary: 49_280,
  theta: 100_000,
  positions: 8192,
};

/** Tensors that read one block of random numbers from several places, so that they take no memory of their own. */
class RandomWeights extends Map<string, Tensor> {
  readonly #block: Float32Array;
  #at = 0;

  constructor(most: number) {
    super();
    const random = seededRandom(7);
    const some = Float32Array.from({ length: 1 << 20 }, () => random.normal());
    this.#block = new Float32Array(most);
    for (let at = 0; at < most; at += some.length) this.#block.set(some.subarray(0, most - at), at);
  }

  matrix(name: string, ...dims: number[]): void {
    const count = dims.reduce((a, b) => a * b, 1);
    this.#at = this.#at + count > this.#block.length ? 0 : this.#at;
    this.set(`${name}.weight`, f32(this.#block.subarray(this.#at, this.#at + count), dims));
    this.#at += 4096;
  }
  constant(name: string, count: number, value: number): void {
    this.set(name, f32(new Float32Array(count).fill(value), [count]));
  }
  linear(name: string, from: number, to: number): void {
    this.matrix(name, from, to);
    this.constant(`${name}.bias`, to, 0);
  }
  norm(name: string, width: number): void {
    this.constant(`${name}.weight`, width, 1);
    this.constant(`${name}.bias`, width, 0);
  }
}

function randomWeights(s: VlmSizes): RandomWeights {
  const w = new RandomWeights(s.vocabulary * s.width);
  const wide = s.stem[0]!;
  w.matrix('vision.patches', wide, 3, PATCH, PATCH);
  w.matrix('vision.position', 1, (SIDE / PATCH) ** 2, wide);
  for (let l = 0; l < s.visionLayers; l++) {
    const at = `vision.layers.${l}`;
    w.norm(`${at}.norm1`, wide);
    for (const part of ['q', 'k', 'v', 'out']) w.linear(`${at}.attention.${part}`, wide, wide);
    w.norm(`${at}.norm2`, wide);
    w.linear(`${at}.mlp.fc1`, wide, s.visionHidden);
    w.linear(`${at}.mlp.fc2`, s.visionHidden, wide);
  }
  w.norm('vision.norm', wide);
  w.matrix('connector', wide * SCALE ** 2, s.width);
  w.matrix('embed_tokens', s.vocabulary, s.width);
  const keys = (s.kvHeads * s.width) / s.heads;
  for (let l = 0; l < s.layers; l++) {
    const at = `model.layers.${l}`;
    for (const norm of ['input_layernorm', 'post_attention_layernorm']) w.constant(`${at}.${norm}.weight`, s.width, 1);
    w.matrix(`${at}.self_attn.q_proj`, s.width, s.width);
    for (const part of ['k', 'v']) w.matrix(`${at}.self_attn.${part}_proj`, s.width, keys);
    w.matrix(`${at}.self_attn.o_proj`, s.width, s.width);
    for (const part of ['gate', 'up']) w.matrix(`${at}.mlp.${part}_proj`, s.width, s.hidden);
    w.matrix(`${at}.mlp.down_proj`, s.hidden, s.width);
  }
  w.constant('model.norm.weight', s.width, 1);
  w.matrix('lm_head', s.width, s.vocabulary);
  return w;
}

/** `pixel_values` [B, N, 3, 512, 512] and `pixel_attention_mask` to `image_features` [tiles * 64, 576]. */
function visionEncoder(s: VlmSizes, weights: RandomWeights): Model {
  const net = new Net('vision_encoder', weights);
  const { b } = net;
  const wide = s.stem[0]!;
  const pixels = net.input('pixel_values', DType.FLOAT, ['batch_size', 'num_images', 3, SIDE, SIDE]);
  const mask = net.input('pixel_attention_mask', DType.BOOL, ['batch_size', 'num_images', SIDE, SIDE]);
  // Tiles that are padding alone are left out.
  const any = b.reduceMax(b.reshape(b.maskFloat(mask), [-1, SIDE * SIDE]), [1], false);
  const tiles = b.reshape(b.op('NonZero', [b.greater(any, b.scalar(0.5))]), [-1]);
  const real = b.op('Gather', [b.reshape(pixels, [-1, 3, SIDE, SIDE]), tiles], { axis: int(0) });
  const patches = b.op('Conv', [real, net.weight('vision.patches.weight')], { strides: ints([PATCH, PATCH]) });
  const side = SIDE / PATCH;
  let x = b.transpose(b.reshape(patches, [0, wide, side * side]), [0, 2, 1]);
  x = b.add(x, net.weight('vision.position.weight'));
  x = emitVisionLayers(net, s, x, wide);
  const small = side / SCALE;
  const rows = b.transpose(b.reshape(x, [-1, side, small, wide * SCALE]), [0, 2, 1, 3]);
  const blocks = b.transpose(b.reshape(rows, [-1, small, small, wide * SCALE ** 2]), [0, 2, 1, 3]);
  const features = net.matmul('connector', b.reshape(blocks, [-1, wide * SCALE ** 2]));
  net.output('image_features', features, ['image_tokens', s.width]);
  return net.model;
}

const SPECIAL = ['<|endoftext|>', '<|im_start|>', '<end_of_utterance>', '<image>', '<fake_token_around_image>', '<global-img>']; // prettier-ignore
const TILES = Array.from({ length: 16 }, (_, i) => `<row_${Math.floor(i / 4) + 1}_col_${(i % 4) + 1}>`);
const WORDS = ['<unk>', 'what', 'where', 'is', 'the', 'red', 'ring', '?'];

function configurations(s: VlmSizes): Record<string, unknown> {
  const special = [...SPECIAL, ...TILES].map((content, id) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true })); // prettier-ignore
  const vocab = Object.fromEntries([...SPECIAL, ...TILES, ...WORDS].map((word, id) => [word, id]));
  const [model_type, mean] = ['idefics3', [0.5, 0.5, 0.5]];
  return {
    'config.json': {
      model_type,
      image_token_id: 3,
      pad_token_id: 0,
      scale_factor: SCALE,
      text_config: { model_type: 'llama', hidden_size: s.width, intermediate_size: s.hidden, num_hidden_layers: s.layers, num_attention_heads: s.heads, num_key_value_heads: s.kvHeads, head_dim: s.width / s.heads, vocab_size: s.vocabulary, max_position_embeddings: s.positions, rope_theta: s.theta }, // prettier-ignore
      vision_config: { model_type: 'idefics3_vision', image_size: SIDE, patch_size: PATCH, num_channels: 3, hidden_size: s.stem[0], intermediate_size: s.visionHidden, num_hidden_layers: s.visionLayers, num_attention_heads: s.visionHeads }, // prettier-ignore
    },
    'generation_config.json': { bos_token_id: 1, eos_token_id: 2, pad_token_id: 0 },
    'processor_config.json': { image_seq_len: TOKENS, processor_class: 'Idefics3Processor' },
    'preprocessor_config.json': { image_processor_type: 'Idefics3ImageProcessor', processor_class: 'Idefics3Processor', do_convert_rgb: true, do_resize: true, do_image_splitting: true, do_rescale: true, do_normalize: true, do_pad: true, resample: 1, rescale_factor: 1 / 255, image_mean: mean, image_std: mean, size: { longest_edge: 4 * SIDE }, max_image_size: { longest_edge: SIDE } }, // prettier-ignore
    'tokenizer.json': { version: '1.0', truncation: null, padding: null, added_tokens: special, normalizer: null, pre_tokenizer: { type: 'Whitespace' }, post_processor: null, decoder: null, model: { type: 'WordLevel', vocab, unk_token: '<unk>' } }, // prettier-ignore
    'tokenizer_config.json': { tokenizer_class: 'PreTrainedTokenizerFast', unk_token: '<unk>' },
  };
}

/** Writes the package to a folder, which is created. */
export function writeSmolVlm(folder: string): void {
  mkdirSync(join(folder, 'onnx'), { recursive: true });
  const weights = randomWeights(SIZES);
  const save = (model: Model, name: string): void => void saveModelFile(model, join(folder, 'onnx', `${name}.onnx`));
  save(visionEncoder(SIZES, weights), 'vision_encoder');
  save(buildEmbedding(SIZES, weights), 'embed_tokens');
  save(buildDecoder(SIZES, weights, 'decomposed'), 'decoder_model_merged');
  for (const [name, content] of Object.entries(configurations(SIZES)))
    writeFileSync(join(folder, name), JSON.stringify(content));
}
