/**
 * Small decoders with random weights, as exporters write them: attention in single operators with rotary positions, or
 * GroupQueryAttention. Two key heads serve four query heads of sixteen dimensions.
 */
import { GraphBuilder } from '../../src/main/engine/autodiff/builder.ts';
import { importDomains } from '../../src/main/engine/autodiff/walker.ts';
import { attrInt, int } from '../../src/main/engine/ir/attribute.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { Model } from '../../src/main/engine/ir/model.ts';
import { f32, i64, MemoryTensor, numberToHalf, toFloat32 } from '../../src/main/engine/ir/tensor.ts';
import type { Value } from '../../src/main/engine/ir/value.ts';
import { seededRandom } from '../../src/main/engine/random.ts';

export const SMALL = { width: 64, heads: 4, groups: 2, size: 16, words: 11 } as const;
const { width, heads, groups, size, words } = SMALL;
/** Angles of the rotary pairs per position. */
const FREQUENCIES = Array.from({ length: size / 2 }, (_, i) => 20 ** (-i / 8));
const END = Number.MAX_SAFE_INTEGER;

export class DecoderNet {
  readonly model = new Model();
  readonly b: GraphBuilder;
  readonly #random = seededRandom(5);

  constructor(opset = 18) {
    this.model.opsets.set('', opset);
    this.model.irVersion = opset > 20 ? 10 : 8;
    this.b = new GraphBuilder(this.model.graph, opset);
  }

  input(name: string, elemType: number, shape: (string | number)[]): Value {
    return this.model.graph.addInput(name, { elemType, shape });
  }

  output(v: Value, name: string): void {
    v.name = name;
    v.type = { elemType: DType.FLOAT };
    this.model.graph.outputs.push(v);
  }

  weight(...dims: number[]): Value {
    const count = dims.reduce((a, b) => a * b, 1);
    const scale = 1.5 / Math.sqrt(dims[0]!);
    return this.b.tensor(
      f32(
        Float32Array.from({ length: count }, () => this.#random.normal() * scale),
        dims,
      ),
      'w',
    );
  }

  norm(x: Value): Value {
    const { b } = this;
    const mean = b.reduceMean(b.mul(x, x), [-1], true);
    return b.mul(b.mul(x, b.op('Reciprocal', [b.sqrt(b.add(mean, b.scalar(1e-6)))])), this.weight(width));
  }

  /** The gated network behind attention. */
  mlp(x: Value): Value {
    const { b } = this;
    const gate = b.matmul(x, this.weight(width, 24));
    return b.matmul(
      b.mul(b.mul(gate, b.op('Sigmoid', [gate])), b.matmul(x, this.weight(width, 24))),
      this.weight(24, width),
    );
  }

  /** int64 [1]: the size of an axis. */
  length(v: Value, axis: number): Value {
    return this.b.slice(this.b.op('Shape', [v]), [axis], [axis + 1], [0]);
  }

  /** int64 [length]: numbers from one to another, both int64 [1]. */
  range(from: Value, to: Value): Value {
    const { b } = this;
    return b.op('Range', [b.squeeze(from, [0]), b.squeeze(to, [0]), b.tensor(i64([1], []))]);
  }

  cache(layer: number, keyHeads: number = groups): [Value, Value] {
    const shape = ['batch', keyHeads, 'past', size];
    return [
      this.input(`past_key_values.${layer}.key`, DType.FLOAT, shape),
      this.input(`past_key_values.${layer}.value`, DType.FLOAT, shape),
    ];
  }

  /** Finishes the model from its last normalized tokens. */
  finish(x: Value, presents: readonly (readonly [Value, Value])[]): Model {
    this.output(this.b.matmul(x, this.weight(width, words)), 'logits');
    presents.forEach(([k, v], i) => {
      this.output(k, `present.${i}.key`);
      this.output(v, `present.${i}.value`);
    });
    importDomains(this.model);
    return this.model;
  }
}

export interface SmallOptions {
  readonly layers?: number;
  readonly opset?: number;
  /** Normalizes queries and keys of every head before their positions. */
  readonly headNorm?: boolean;
  /**
   * A part that differs from the usual: a mask with a window or one that compares positions, positions counted from sizes
   * or from zero, a layer that reads the first layer's tokens or their size.
   */
  readonly odd?:
    | 'window'
    | 'number of logits'
    | 'positions in the mask'
    | 'no positions'
    | 'counted positions'
    | 'positions from zero'
    | 'bypass'
    | 'size of an earlier layer';
}

/** Attention in single operators: softmax between two products, positions by cosines and sines of `position_ids`. */
export function plainDecoder({ layers = 4, opset = 18, headNorm = false, odd }: SmallOptions = {}): Model {
  const net = new DecoderNet(opset);
  const { b } = net;
  const embeds = net.input('inputs_embeds', DType.FLOAT, ['batch', 'seq', width]);
  const mask = net.input('attention_mask', DType.INT64, ['batch', 'total']);
  const given = /positions$|zero$/.test(odd ?? '') ? null : net.input('position_ids', DType.INT64, ['batch', 'seq']);
  const caches = Array.from({ length: layers }, (_, i) => net.cache(i));
  const cached = net.length(caches[0]![0], 2);
  const total = b.add(cached, net.length(embeds, 1));
  const places = net.range(cached, total);
  const rows = b.unsqueeze(places, [1]);
  const columns = net.range(b.ints([0]), total);
  const last = (): Value => b.op('Slice', [columns, cached, total, b.ints([0])]);
  const ids = given ?? b.unsqueeze(odd === 'positions from zero' ? last() : places, [0]);
  let causal = b.op('LessOrEqual', [columns, odd === 'positions in the mask' ? b.transpose(ids, [1, 0]) : rows]);
  if (odd === 'window') causal = b.op('And', [causal, b.greater(columns, b.sub(rows, b.ints([8])))]);
  const seen = b.op('And', [causal, b.unsqueeze(b.cast(mask, DType.BOOL), [1, 2])]);
  const bias = b.where(seen, b.scalar(0), b.scalar(-1e9));
  const frequencies = b.tensor(f32(FREQUENCIES, [1, 1, size / 2]));
  const angles = b.mul(b.cast(b.unsqueeze(ids, [-1]), DType.FLOAT), frequencies);
  const both = b.unsqueeze(b.concat([angles, angles], -1), [1]);
  const [cos, sin] = [b.op('Cos', [both]), b.op('Sin', [both])];
  const turn = (v: Value): Value => {
    if (odd === 'no positions') return v;
    const halves = [b.neg(b.slice(v, [size / 2], [END], [3])), b.slice(v, [0], [size / 2], [3])];
    return b.add(b.mul(v, cos), b.mul(b.concat(halves, -1), sin));
  };
  const byHead = (v: Value, n: number): Value => b.transpose(b.reshape(v, [0, 0, n, size]), [0, 2, 1, 3]);
  const normed = (v: Value): Value => {
    if (!headNorm) return v;
    return b.div(v, b.sqrt(b.add(b.reduceMean(b.mul(v, v), [-1], true), b.scalar(1e-6))));
  };
  const repeat = (v: Value): Value => {
    const sizes = b.concat([b.ints([1, groups, heads / groups]), net.length(v, 2), b.ints([size])], 0);
    const wide = b.op('Expand', [b.unsqueeze(v, [2]), sizes]);
    return b.op('Reshape', [wide, b.concat([b.ints([1, heads]), net.length(v, 2), b.ints([size])], 0)]);
  };
  const presents: [Value, Value][] = [];
  let x = embeds;
  let earlier: Value | undefined;
  for (const [pastKey, pastValue] of caches) {
    const h = net.norm(x);
    const query = turn(normed(byHead(b.matmul(h, net.weight(width, heads * size)), heads)));
    const key = b.concat([pastKey, turn(normed(byHead(b.matmul(h, net.weight(width, groups * size)), groups)))], 2);
    const value = b.concat([pastValue, byHead(b.matmul(h, net.weight(width, groups * size)), groups)], 2);
    const products = b.mul(b.matmul(query, b.transpose(repeat(key), [0, 1, 3, 2])), b.scalar(1 / Math.sqrt(size)));
    const shares = b.op('Softmax', [b.add(products, bias)], { axis: int(-1) });
    const mixed = b.reshape(b.transpose(b.matmul(shares, repeat(value)), [0, 2, 1, 3]), [0, 0, width]);
    x = b.add(x, b.matmul(mixed, net.weight(width, width)));
    x = b.add(x, net.mlp(net.norm(x)));
    earlier ??= x;
    if (odd === 'size of an earlier layer') x = b.op('Reshape', [x, b.op('Shape', [earlier])]);
    presents.push([key, value]);
  }
  if (odd === 'bypass') x = b.add(x, earlier!);
  if (odd === 'number of logits') {
    const count = b.unsqueeze(net.input('num_logits_to_keep', DType.INT64, []), [0]);
    x = b.op('Slice', [x, b.neg(count), b.ints([END]), b.ints([1])]);
  }
  return net.finish(net.norm(x), presents);
}

/** Operators that fused decoders attend with. */
const FUSED = {
  'packed input': 18,
  'three inputs': 18,
  'positions outside': 18,
  'positions as an input': 18,
  MultiHeadAttention: 18,
  Attention: 24,
} as const;
export type FusedForm = keyof typeof FUSED;

/**
 * Fused attention with the residual sum and the norm in one operator. By default GroupQueryAttention, which rotates by
 * itself and has no positions. With three inputs it computes the same as `plainDecoder`. The other forms apply positions
 * in front of the operator.
 */
export function fusedDecoder({ layers = 4, form = 'packed input' }: { layers?: number; form?: FusedForm } = {}): Model {
  const net = new DecoderNet(FUSED[form]);
  const { b } = net;
  const embeds = net.input('inputs_embeds', DType.FLOAT, ['batch', 'seq', width]);
  const mask = net.input('attention_mask', DType.INT64, ['batch', 'total']);
  const given = form === 'positions as an input';
  const inside = form === 'packed input' || form === 'three inputs' || given;
  const ids = inside && !given ? null : net.input('position_ids', DType.INT64, ['batch', 'seq']);
  const keyHeads = form === 'MultiHeadAttention' ? heads : groups;
  const caches = Array.from({ length: layers }, (_, i) => net.cache(i, keyHeads));
  const table = (f: (x: number) => number): Value =>
    b.tensor(f32(Array.from({ length: 64 }, (_, at) => FREQUENCIES.map((x) => f(at * x))).flat(), [64, size / 2]));
  const tables = [table(Math.cos), table(Math.sin)];
  const counts = (): Value[] => [
    b.cast(b.sub(b.reduceSum(mask, [1], false), b.ints([1])), DType.INT32),
    b.cast(b.squeeze(net.length(mask, 1), [0]), DType.INT32),
  ];
  const lengths = form === 'MultiHeadAttention' || form === 'Attention' ? [] : counts();
  const turn = (v: Value, n: number): Value => {
    if (inside || !ids) return v;
    if (form !== 'Attention')
      return b.op(
        'RotaryEmbedding',
        [v, ids, ...tables],
        { num_heads: int(n), rotary_embedding_dim: int(size) },
        'com.microsoft',
      );
    return b.op('RotaryEmbedding', [v, ...tables, ids], { num_heads: int(n) });
  };
  const attend = (h: Value, [key, value]: readonly [Value, Value]): Value[] => {
    const gqa = { num_heads: int(heads), kv_num_heads: int(groups), do_rotary: int(inside ? 1 : 0) };
    const behind = [key, value, ...lengths, ...(inside ? tables : []), ...(given ? [ids] : [])];
    if (form === 'packed input') {
      const all = b.matmul(h, net.weight(width, (heads + 2 * groups) * size));
      return b.ops('GroupQueryAttention', [all, null, null, ...behind], 3, gqa, 'com.microsoft');
    }
    const [q, k, v] = [heads, keyHeads, keyHeads].map((n) => b.matmul(h, net.weight(width, n * size)));
    const inputs = [turn(q!, heads), turn(k!, keyHeads), v!];
    if (form === 'MultiHeadAttention') {
      const attributes = { num_heads: int(heads), unidirectional: int(1) };
      return b.ops(form, [...inputs, null, null, null, key, value], 3, attributes, 'com.microsoft');
    }
    if (form === 'Attention') {
      const attributes = { q_num_heads: int(heads), kv_num_heads: int(groups), is_causal: int(1) };
      return b.ops(form, [...inputs, null, key, value], 3, attributes);
    }
    return b.ops('GroupQueryAttention', [...inputs, ...behind], 3, gqa, 'com.microsoft');
  };
  const skipNorm = (x: Value, y: Value): [normed: Value, sum: Value] => {
    const outs = b.ops('SkipSimplifiedLayerNormalization', [x, y, net.weight(width)], 4, {}, 'com.microsoft');
    return [outs[0]!, outs[3]!];
  };
  const presents: [Value, Value][] = [];
  let x = embeds;
  let h = net.norm(embeds);
  for (const cache of caches) {
    const [mixed, key, value] = attend(h, cache);
    const [between, sum] = skipNorm(x, b.matmul(mixed!, net.weight(width, width)));
    [h, x] = skipNorm(sum, net.mlp(between));
    presents.push([key!, value!]);
  }
  return net.finish(h, presents);
}

/** Makes a decoder compute in half precision. */
export function toHalf(model: Model): Model {
  const { graph } = model;
  for (const v of graph.initializers) {
    const t = v.initializer!;
    if (t.dtype !== DType.FLOAT) continue;
    const bits = Uint16Array.from(toFloat32(t), numberToHalf);
    v.initializer = new MemoryTensor(DType.FLOAT16, t.dims, new Uint8Array(bits.buffer));
    v.type = { elemType: DType.FLOAT16, shape: [...t.dims] };
  }
  for (const v of [...graph.inputs, ...graph.outputs])
    if (v.type?.elemType === DType.FLOAT) v.type = { ...v.type, elemType: DType.FLOAT16 };
  for (const n of graph.nodes())
    if (attrInt(n.attributes.get('to'), 0) === DType.FLOAT) n.attributes.set('to', int(DType.FLOAT16));
  return model;
}
