/**
 * The decoder of the sample with its cache, in the two forms that exporters write: single operators with explicit
 * positions (as PyTorch's exporters do), and com.microsoft.GroupQueryAttention with the rotation inside and positions
 * taken from the length of the cache (as the builder of the generative runtime does).
 */
import { float, int } from '../../ir/attribute.ts';
import { DType } from '../../ir/dtype.ts';
import type { Model } from '../../ir/model.ts';
import { f32, i64 } from '../../ir/tensor.ts';
import type { Value } from '../../ir/value.ts';
import { Net, constantOf, rotaryFrequencies, rotaryTables } from './parts.ts';
import { headSize, type VlmSizes, type Weights } from './sizes.ts';

export type AttentionForm = 'decomposed' | 'gqa';

/** Reads a layer's past from the inputs, and returns the result and the two extended caches. */
type Attention = (q: Value, k: Value, v: Value, past: readonly [Value, Value]) => readonly [Value, Value, Value];

/**
 * Inputs `inputs_embeds` [B, S, width], `attention_mask` [B, P + S] int64, `position_ids` [B, S] int64 (decomposed
 * form only) and `past_key_values.N.{key,value}` [B, kvHeads, P, head size]; outputs `logits` [B, S, vocabulary] and
 * `present.N.{key,value}`. P may be 0.
 */
export function buildDecoder(s: VlmSizes, weights: Weights, form: AttentionForm): Model {
  const net = new Net('decoder_model_merged', weights);
  if (form === 'gqa') net.model.opsets.set('com.microsoft', 1);
  const { b } = net;
  const embeds = net.input('inputs_embeds', DType.FLOAT, ['batch_size', 'sequence_length', s.width]);
  const mask = net.input('attention_mask', DType.INT64, ['batch_size', 'total_sequence_length']);
  const positions =
    form === 'decomposed' ? net.input('position_ids', DType.INT64, ['batch_size', 'sequence_length']) : null;
  const cache = ['batch_size', s.kvHeads, 'past_sequence_length', headSize(s)];
  const past = Array.from({ length: s.layers }, (_, l) => {
    const [key, value] = ['key', 'value'].map((part) => net.input(`past_key_values.${l}.${part}`, DType.FLOAT, cache));
    return [key!, value!] as const;
  });
  const attend = positions ? decomposed(net, s, { embeds, mask, positions, past: past[0]![0] }) : grouped(net, s, mask);
  const norm = (name: string, x: Value): Value => (positions ? net.rmsNorm(name, x) : net.fusedRmsNorm(name, x));

  let x = embeds;
  const presents: Value[][] = [];
  for (let l = 0; l < s.layers; l++) {
    const at = `model.layers.${l}`;
    const normed = norm(`${at}.input_layernorm`, x);
    const [q, k, v] = ['q', 'k', 'v'].map((part) => net.matmul(`${at}.self_attn.${part}_proj`, normed));
    const [mixed, ...present] = attend(q!, k!, v!, past[l]!);
    presents.push(present);
    x = b.add(x, net.matmul(`${at}.self_attn.o_proj`, mixed));
    x = b.add(x, net.gatedMlp(`${at}.mlp`, norm(`${at}.post_attention_layernorm`, x)));
  }
  const logits = net.matmul('lm_head', norm('model.norm', x));
  net.output('logits', logits, ['batch_size', 'sequence_length', s.vocabulary]);
  const grown = ['batch_size', s.kvHeads, 'total_sequence_length', headSize(s)];
  presents.forEach((pair, l) =>
    ['key', 'value'].forEach((part, i) => net.output(`present.${l}.${part}`, pair[i]!, grown)),
  );
  return net.model;
}

function decomposed(
  net: Net,
  s: VlmSizes,
  given: { readonly embeds: Value; readonly mask: Value; readonly positions: Value; readonly past: Value },
): Attention {
  const { b } = net;
  const size = headSize(s);
  const along = (v: Value, axis: number): Value => b.op('Shape', [v], { start: int(axis), end: int(axis + 1) });
  const scalar = (v: Value): Value => b.squeeze(v, [0]);
  const [before, fresh] = [along(given.past, 2), along(given.embeds, 1)];
  const total = b.add(before, fresh);
  const [zero, one] = [0, 1].map((n) => b.tensor(i64([n], []), 'int'));
  const columns = b.op('Range', [zero!, scalar(total), one!]);
  const rows = b.op('Range', [scalar(before), scalar(total), one!]);
  // A position sees itself and earlier ones, except padding.
  const causal = b.op('LessOrEqual', [b.unsqueeze(columns, [0]), b.unsqueeze(rows, [1])]);
  const seen = b.op('And', [causal, b.unsqueeze(b.cast(given.mask, DType.BOOL), [1, 2])]);
  const bias = b.where(seen, b.scalar(0), b.scalar(-3.4028234663852886e38));

  const frequencies = constantOf(net, 'rotary_frequencies', rotaryFrequencies(size, s.theta), [1, 1, size / 2]);
  const half = b.mul(b.unsqueeze(b.cast(given.positions, DType.FLOAT), [2]), frequencies);
  const angles = b.concat([half, half], -1);
  const cos = b.unsqueeze(b.op('Cos', [angles]), [1]);
  const sin = b.unsqueeze(b.op('Sin', [angles]), [1]);
  const rotate = (v: Value): Value => {
    const first = b.slice(v, [0], [size / 2], [3]);
    const second = b.slice(v, [size / 2], [size], [3]);
    return b.add(b.mul(v, cos), b.mul(b.concat([b.neg(second), first], -1), sin));
  };
  const group = s.heads / s.kvHeads;
  const batch = along(given.embeds, 0);
  const wide = b.concat([batch, b.ints([s.kvHeads, group]), total, b.ints([size])], 0);
  const flat = b.concat([batch, b.ints([s.heads]), total, b.ints([size])], 0);
  const repeat = (v: Value): Value =>
    group === 1 ? v : b.op('Reshape', [b.op('Expand', [b.unsqueeze(v, [2]), wide]), flat]);

  return (q, k, v, past) => {
    const query = rotate(net.splitHeads(q, s.heads, size));
    const key = b.concat([past[0], rotate(net.splitHeads(k, s.kvHeads, size))], 2);
    const value = b.concat([past[1], net.splitHeads(v, s.kvHeads, size)], 2);
    const scores = b.matmul(query, b.transpose(repeat(key), [0, 1, 3, 2]));
    const shares = b.op('Softmax', [b.add(b.mul(scores, b.scalar(1 / Math.sqrt(size))), bias)]);
    return [net.joinHeads(b.matmul(shares, repeat(value)), s.width), key, value];
  };
}

function grouped(net: Net, s: VlmSizes, mask: Value): Attention {
  const { b } = net;
  const size = headSize(s);
  const int32 = (v: Value): Value => b.cast(v, DType.INT32);
  const last = int32(b.sub(b.reduceSum(mask, [1], false), b.ints([1])));
  const total = int32(b.op('Gather', [b.op('Shape', [mask]), b.tensor(i64([1], []), 'int')]));
  const tables = rotaryTables(Array.from({ length: s.positions }, (_, i) => i), size, s.theta); // prettier-ignore
  const [cos, sin] = (['cos', 'sin'] as const).map((name) =>
    net.model.graph.addInitializer(`${name}_cache`, f32(tables[name], [s.positions, size / 2])),
  );
  const attributes = {
    num_heads: int(s.heads),
    kv_num_heads: int(s.kvHeads),
    scale: float(1 / Math.sqrt(size)),
    local_window_size: int(-1),
    do_rotary: int(1),
    rotary_interleaved: int(0),
  };
  return (q, k, v, past) => {
    const [mixed, key, value] = b.ops(
      'GroupQueryAttention',
      [q, k, v, ...past, last, total, cos!, sin!],
      3,
      attributes,
      'com.microsoft',
    );
    return [mixed!, key!, value!];
  };
}
