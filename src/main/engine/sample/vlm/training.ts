/**
 * Training graphs of the vision-language sample, for fixed sizes. Many questions about one picture share one run: the
 * sequence is [begin, image tokens, question 1, question 2, ...]; each question sees the beginning, the picture and
 * itself, and its positions start right behind the picture, so that it is computed as a prompt of its own.
 */
import { DType } from '../../ir/dtype.ts';
import type { Model } from '../../ir/model.ts';
import type { Value } from '../../ir/value.ts';
import { Net, constantOf, rotaryTables } from './parts.ts';
import { headSize, imageTokens, type VlmSizes, type Weights } from './sizes.ts';
import { emitEncoder, emitProjector } from './vision.ts';

export interface Packing {
  /** Pictures per step. */
  readonly pictures: number;
  /** Questions per picture. */
  readonly questions: number;
  /** Tokens per question, with the answer and without its end. */
  readonly tokens: number;
}

/**
 * Inputs `pixel_values` [pictures, 3, side, side] and `input_ids` [pictures, 1 + questions * tokens] int64, which
 * begins with `<bos>`; output `logits` [pictures, questions * tokens, vocabulary]: the next token at each position of
 * each question.
 */
export function buildPackedModel(s: VlmSizes, weights: Weights, packing: Packing): Model {
  const net = new Net('packed', weights);
  const { b } = net;
  const asked = packing.questions * packing.tokens;
  const pixels = net.input('pixel_values', DType.FLOAT, [packing.pictures, 3, s.picture, s.picture]);
  const ids = net.input('input_ids', DType.INT64, [packing.pictures, 1 + asked]);
  const features = emitProjector(net, emitEncoder(net, s, pixels));
  const rows = b.op('Gather', [net.weight('embed_tokens.weight'), ids]);
  const [begin, words] = b.split(rows, [1, asked], 1);
  const shared = 1 + imageTokens(s);
  let x = b.concat([begin!, features, words!], 1);

  const attend = attention(net, s, packing);
  for (let l = 0; l < s.layers; l++) {
    const at = `model.layers.${l}`;
    const last = l === s.layers - 1;
    const mixed = attend(`${at}.self_attn`, net.fusedRmsNorm(`${at}.input_layernorm`, x), last);
    if (last) x = b.slice(x, [shared], [shared + asked], [1]);
    x = b.add(x, net.matmul(`${at}.self_attn.o_proj`, mixed));
    x = b.add(x, net.gatedMlp(`${at}.mlp`, net.fusedRmsNorm(`${at}.post_attention_layernorm`, x)));
  }
  const logits = net.matmul('lm_head', net.fusedRmsNorm('model.norm', x));
  net.output('logits', logits, [packing.pictures, asked, s.vocabulary]);
  return net.model;
}

/**
 * Attention over the packed sequence, without the pairs that do not see each other: the beginning and the picture
 * attend to themselves, each question to them and to itself. With `onlyQuestions`, the result has the positions of the
 * questions only, for the last layer.
 */
function attention(net: Net, s: VlmSizes, packing: Packing): (name: string, x: Value, onlyQuestions: boolean) => Value {
  const { b } = net;
  const { questions, tokens } = packing;
  const asked = questions * tokens;
  const size = headSize(s);
  const group = s.heads / s.kvHeads;
  const shared = 1 + imageTokens(s);
  const scale = b.scalar(1 / Math.sqrt(size));
  const front = rotation(net, s, range(shared));
  const back = rotation(net, s, range(tokens).map((t) => shared + t)); // prettier-ignore
  const frontBias = constantOf(net, 'front_bias', causal(shared, 1), [shared, shared]);
  const ownBias = constantOf(net, 'own_bias', causal(tokens, group), [group * tokens, tokens]);

  return (name, x, onlyQuestions) => {
    const [k, v] = ['k', 'v'].map((part) => b.split(net.matmul(`${name}.${part}_proj`, x), [shared, asked], 1));
    const split = onlyQuestions ? null : b.split(net.matmul(`${name}.q_proj`, x), [shared, asked], 1);
    const frontKey = front(net.splitHeads(k![0]!, s.kvHeads, size));
    const frontValue = net.splitHeads(v![0]!, s.kvHeads, size);
    const frontKeys = b.transpose(frontKey, [0, 1, 3, 2]);

    // Questions: [B, kvHeads, question, (query of the group, token), size].
    const perQuestion = (t: Value): Value =>
      b.transpose(b.reshape(t, [0, questions, tokens, s.kvHeads, size]), [0, 3, 1, 2, 4]);
    const ownKey = back(perQuestion(k![1]!));
    const ownValue = perQuestion(v![1]!);
    const asking = split ? split[1]! : net.matmul(`${name}.q_proj`, b.slice(x, [shared], [shared + asked], [1]));
    const turned = b.transpose(b.reshape(asking, [0, questions, tokens, s.kvHeads, group, size]), [0, 3, 1, 4, 2, 5]);
    const query = b.mul(back(turned), scale);
    const all = [0, s.kvHeads, questions * group * tokens];
    const toFront = b.matmul(b.reshape(query, [...all, size]), frontKeys);
    const each = [0, s.kvHeads, questions, group * tokens];
    const toOwn = b.add(b.matmul(b.reshape(query, [...each, size]), b.transpose(ownKey, [0, 1, 2, 4, 3])), ownBias);
    const shares = b.op('Softmax', [b.concat([toFront, b.reshape(toOwn, [...all, tokens])], 3)]);
    const [ofFront, ofOwn] = b.split(shares, [shared, tokens], 3);
    const own = b.matmul(b.reshape(ofOwn!, [...each, tokens]), ownValue);
    const mixed = b.add(b.matmul(ofFront!, frontValue), b.reshape(own, [...all, size]));
    const restored = b.transpose(b.reshape(mixed, [0, s.kvHeads, questions, group, tokens, size]), [0, 2, 4, 1, 3, 5]);
    const questionsMixed = b.reshape(restored, [0, asked, s.width]);
    if (!split) return questionsMixed;

    const q = b.mul(front(net.splitHeads(split[0]!, s.heads, size)), scale);
    const scores = b.matmul(b.reshape(q, [0, s.kvHeads, group * shared, size]), frontKeys);
    const seen = b.op('Softmax', [b.add(b.reshape(scores, [0, s.heads, shared, shared]), frontBias)]);
    const looked = b.matmul(b.reshape(seen, [0, s.kvHeads, group * shared, shared]), frontValue);
    return b.concat([net.joinHeads(b.reshape(looked, [0, s.heads, shared, size]), s.width), questionsMixed], 1);
  };
}

/** Rotates heads [..., positions, size] to the given positions. */
function rotation(net: Net, s: VlmSizes, positions: readonly number[]): (v: Value) => Value {
  const size = headSize(s);
  const { b } = net;
  const tables = rotaryTables(positions, size, s.theta);
  const [cos, sin] = (['cos', 'sin'] as const).map((name) => constantOf(net, name, doubled(tables[name], size), [positions.length, size])); // prettier-ignore
  // Swaps the halves of a head and negates the first: one product with a constant instead of slices.
  const swap = new Float32Array(size * size);
  for (let i = 0; i < size / 2; i++) {
    swap[(i + size / 2) * size + i] = -1;
    swap[i * size + i + size / 2] = 1;
  }
  const swapped = constantOf(net, 'swap', swap, [size, size]);
  return (v) => b.add(b.mul(v, cos!), b.mul(b.matmul(v, swapped), sin!));
}

/** Rows that see themselves and earlier columns: `repeat` blocks of [n, n], 0 or a large negative number. */
const causal = (n: number, repeat: number): Float32Array =>
  Float32Array.from({ length: repeat * n * n }, (_, i) => (i % n > Math.floor(i / n) % n ? -1e9 : 0));

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Rows of `half` values, each row twice in a row. */
function doubled(rows: Float32Array, size: number): Float32Array {
  const half = size / 2;
  return Float32Array.from({ length: rows.length * 2 }, (_, i) => rows[Math.floor(i / size) * half + (i % half)]!);
}

/** Parts of the labels of a patch: the colour and the shape that its cell shows (0: none), and its row and column. */
export interface PatchLabels {
  readonly colours: number;
  readonly shapes: number;
  readonly grid: number;
}

/** Widths of the parts of a patch's label, in order. */
export const labelParts = (p: PatchLabels): number[] => [1 + p.colours, 1 + p.shapes, p.grid, p.grid];

/**
 * The encoder with a linear layer that reads the labels of every patch, for training the encoder alone. Input
 * `pixel_values`; output `logits` [pictures, tokens, sum of the parts], log-probabilities within each part.
 */
export function buildPatchModel(s: VlmSizes, weights: Weights, pictures: number, labels: PatchLabels): Model {
  const net = new Net('patches', weights);
  const pixels = net.input('pixel_values', DType.FLOAT, [pictures, 3, s.picture, s.picture]);
  const read = net.linear('reader', emitEncoder(net, s, pixels));
  const parts = labelParts(labels);
  const logs = net.b.split(read, parts, 2).map((v) => net.b.op('LogSoftmax', [v]));
  const width = parts.reduce((a, b) => a + b, 0);
  net.output('logits', net.b.concat(logs, 2), [pictures, imageTokens(s), width]);
  return net.model;
}
