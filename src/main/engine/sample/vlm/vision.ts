/**
 * The vision encoder of the sample: three strided convolutions make patches (Xiao et al. 2021, arXiv:2106.14881, "Early
 * convolutions help transformers see better"), a few transformer layers follow, and a projector of two layers maps
 * each patch to the decoder's width.
 */
import { DType } from '../../ir/dtype.ts';
import type { Model } from '../../ir/model.ts';
import type { Value } from '../../ir/value.ts';
import { Net } from './parts.ts';
import { imageTokens, type VlmSizes, type Weights } from './sizes.ts';

/** [B, 3, side, side] to the encoder's states [B, tokens, width of the encoder]. */
export function emitEncoder(net: Net, s: VlmSizes, pixels: Value): Value {
  const { b } = net;
  let x = pixels;
  s.stem.forEach((_, i) => {
    x = net.conv(`vision.stem.${i}`, x);
    if (i < s.stem.length - 1) x = net.gelu(x);
  });
  const wide = s.stem.at(-1)!;
  x = b.add(b.transpose(b.reshape(x, [0, wide, imageTokens(s)]), [0, 2, 1]), net.weight('vision.position'));
  return emitVisionLayers(net, s, x, wide);
}

/** Transformer layers over tokens [B, N, wide], and the norm behind them. */
export function emitVisionLayers(
  net: Net,
  s: Pick<VlmSizes, 'visionLayers' | 'visionHeads'>,
  tokens: Value,
  wide: number,
): Value {
  const { b } = net;
  let x = tokens;
  const size = wide / s.visionHeads;
  for (let l = 0; l < s.visionLayers; l++) {
    const at = `vision.layers.${l}`;
    const normed = net.layerNorm(`${at}.norm1`, x);
    const [q, k, v] = ['q', 'k', 'v'].map((part) =>
      net.splitHeads(net.linear(`${at}.attention.${part}`, normed), s.visionHeads, size),
    );
    const scores = b.mul(b.matmul(q!, b.transpose(k!, [0, 1, 3, 2])), b.scalar(1 / Math.sqrt(size)));
    const mixed = net.joinHeads(b.matmul(b.op('Softmax', [scores]), v!), wide);
    x = b.add(x, net.linear(`${at}.attention.out`, mixed));
    const hidden = net.gelu(net.linear(`${at}.mlp.fc1`, net.layerNorm(`${at}.norm2`, x)));
    x = b.add(x, net.linear(`${at}.mlp.fc2`, hidden));
  }
  return net.layerNorm('vision.norm', x);
}

/** The encoder's states as image tokens of the decoder's width. */
export const emitProjector = (net: Net, states: Value): Value =>
  net.linear('projector.fc2', net.gelu(net.linear('projector.fc1', states)));

/** `pixel_values` [B, 3, side, side], float32, to `image_features` [B, tokens, width]. */
export function buildVisionEncoder(s: VlmSizes, weights: Weights): Model {
  const net = new Net('vision_encoder', weights);
  const pixels = net.input('pixel_values', DType.FLOAT, ['batch_size', 3, s.picture, s.picture]);
  const features = emitProjector(net, emitEncoder(net, s, pixels));
  net.output('image_features', features, ['batch_size', imageTokens(s), s.width]);
  return net.model;
}

/** `input_ids` [B, S], int64, to `inputs_embeds` [B, S, width]. */
export function buildEmbedding(s: VlmSizes, weights: Weights): Model {
  const net = new Net('embed_tokens', weights);
  const ids = net.input('input_ids', DType.INT64, ['batch_size', 'sequence_length']);
  const rows = net.b.op('Gather', [net.weight('embed_tokens.weight'), ids]);
  net.output('inputs_embeds', rows, ['batch_size', 'sequence_length', s.width]);
  return net.model;
}
