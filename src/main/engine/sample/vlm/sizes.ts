/** Sizes of the vision-language sample, and its initial weights. */
import { f32, type Tensor } from '../../ir/tensor.ts';
import { seededRandom } from '../../random.ts';
import { PICTURE_SIZE } from './pictures.ts';
import { WORDS } from './vocabulary.ts';

export interface VlmSizes {
  /** Width and height of the picture in pixels. */
  readonly picture: number;
  /** Channels of the convolutions before the encoder; each halves the resolution. The last is the encoder's width. */
  readonly stem: readonly number[];
  readonly visionLayers: number;
  readonly visionHeads: number;
  /** Hidden units of the encoder's MLPs. */
  readonly visionHidden: number;
  /** Width of the decoder. */
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Heads of keys and values; each serves `heads / kvHeads` heads of queries. */
  readonly kvHeads: number;
  /** Hidden units of the decoder's gated MLPs. */
  readonly hidden: number;
  readonly vocabulary: number;
  /** Base of the rotary frequencies. */
  readonly theta: number;
  /** Length of the tables of cosines and sines in the export with GroupQueryAttention. */
  readonly positions: number;
}

export const VLM_SIZES: VlmSizes = {
  picture: PICTURE_SIZE,
  stem: [24, 48, 96],
  visionLayers: 2,
  visionHeads: 4,
  visionHidden: 192,
  width: 128,
  layers: 8,
  heads: 4,
  kvHeads: 2,
  hidden: 256,
  vocabulary: WORDS.length,
  theta: 100_000,
  positions: 512,
};

/** Patches per side of the picture. */
export const patchSide = (s: VlmSizes): number => s.picture / 2 ** s.stem.length;
/** Number of image tokens. */
export const imageTokens = (s: VlmSizes): number => patchSide(s) ** 2;
export const headSize = (s: VlmSizes): number => s.width / s.heads;

/** Tensors by name, as training writes them and the exports read them. Matrices are [inputs, outputs]. */
export type Weights = ReadonlyMap<string, Tensor>;

/**
 * Initial weights: normal, with variance 1 / fan-in; matrices that end in a sum of a residual stream are smaller, so
 * that the variance does not grow with the depth (Radford et al. 2019, "Language models are unsupervised multitask
 * learners", section 2.3).
 */
export function initialWeights(s: VlmSizes, seed: number): Weights {
  const random = seededRandom(seed);
  const weights = new Map<string, Tensor>();
  const normal = (name: string, dims: readonly number[], deviation: number): void => {
    const data = new Float32Array(dims.reduce((a, b) => a * b, 1));
    for (let i = 0; i < data.length; i++) data[i] = random.normal() * deviation;
    weights.set(name, f32(data, dims));
  };
  const constant = (name: string, n: number, value: number): void =>
    void weights.set(name, f32(new Float32Array(n).fill(value), [n]));
  const matrix = (name: string, from: number, to: number, scale = 1): void =>
    normal(`${name}.weight`, [from, to], scale / Math.sqrt(from));
  const linear = (name: string, from: number, to: number, scale = 1): void => {
    matrix(name, from, to, scale);
    constant(`${name}.bias`, to, 0);
  };
  const norm = (name: string, n: number): void => {
    constant(`${name}.weight`, n, 1);
    constant(`${name}.bias`, n, 0);
  };

  s.stem.forEach((channels, i) => {
    const from = i === 0 ? 3 : s.stem[i - 1]!;
    normal(`vision.stem.${i}.weight`, [channels, from, 3, 3], Math.sqrt(2 / (9 * from)));
    constant(`vision.stem.${i}.bias`, channels, 0);
  });
  const wide = s.stem.at(-1)!;
  normal('vision.position', [1, imageTokens(s), wide], 0.3);
  const last = 1 / Math.sqrt(2 * s.visionLayers);
  for (let l = 0; l < s.visionLayers; l++) {
    const at = `vision.layers.${l}`;
    norm(`${at}.norm1`, wide);
    for (const part of ['q', 'k', 'v']) linear(`${at}.attention.${part}`, wide, wide);
    linear(`${at}.attention.out`, wide, wide, last);
    norm(`${at}.norm2`, wide);
    linear(`${at}.mlp.fc1`, wide, s.visionHidden);
    linear(`${at}.mlp.fc2`, s.visionHidden, wide, last);
  }
  norm('vision.norm', wide);
  linear('projector.fc1', wide, s.width);
  linear('projector.fc2', s.width, s.width);

  normal('embed_tokens.weight', [s.vocabulary, s.width], 0.5);
  const end = 1 / Math.sqrt(2 * s.layers);
  for (let l = 0; l < s.layers; l++) {
    const at = `model.layers.${l}`;
    constant(`${at}.input_layernorm.weight`, s.width, 1);
    matrix(`${at}.self_attn.q_proj`, s.width, s.width);
    for (const part of ['k', 'v']) matrix(`${at}.self_attn.${part}_proj`, s.width, s.kvHeads * headSize(s));
    matrix(`${at}.self_attn.o_proj`, s.width, s.width, end);
    constant(`${at}.post_attention_layernorm.weight`, s.width, 1);
    matrix(`${at}.mlp.gate_proj`, s.width, s.hidden);
    matrix(`${at}.mlp.up_proj`, s.width, s.hidden);
    matrix(`${at}.mlp.down_proj`, s.hidden, s.width, end);
  }
  constant('model.norm.weight', s.width, 1);
  matrix('lm_head', s.width, s.vocabulary);
  return weights;
}
