/**
 * Fused attention: com.microsoft Attention, MultiHeadAttention and GroupQueryAttention, and ai.onnx Attention. Whole
 * heads are removed; where several query heads share keys and values, such a group is removed as one. Head sizes stay.
 */
import { attrInt, int, ints, type Attribute } from '../ir/attribute.ts';
import { DType } from '../ir/dtype.ts';
import type { Node } from '../ir/node.ts';
import { MemoryTensor } from '../ir/tensor.ts';
import { unsupported, type AxisRef, type OperatorDef, type PruneContext, type RewriteContext } from './contract.ts';
import { sameAxes } from './support/axes.ts';
import { c, w, x } from './support/elementwise.ts';
import { expandGroupQuery, expandMultiHead, expandStandard } from './support/expand-attention.ts';

const number = (node: Node, name: string): number => attrInt(node.attributes.get(name), 0);

/** Index i of the axis belongs to unit `unit(i)`, whose first index in the anchor's axis is `first`. */
function unitsOf(ctx: PruneContext, a: AxisRef, anchor: AxisRef, unit: (i: number) => number, size: number): void {
  ctx.map(a, anchor, (i) => unit(i) * size);
}

/** Entries of one head are contiguous. */
const blockOf =
  (width: number, units: number) =>
  (i: number): number =>
    Math.floor(i / (width / units));

// ---------------------------------------------------------------- Attention: the projection is inside

const partsOf = (node: Node, width: number): readonly number[] => {
  const a = node.attributes.get('qkv_hidden_sizes');
  return a?.kind === 'ints' ? a.value.map(Number) : [width / 3, width / 3, width / 3];
};

function relateAttention(ctx: PruneContext): void {
  const { node } = ctx;
  const [value, weight, bias] = node.inputs;
  const y = node.output();
  const heads = number(node, 'num_heads');
  // Masks and caches have many forms, so their axes stay.
  const out = ctx.shape(y).at(-1)!;
  const anchor = { value: y, axis: 2 };
  const parts = partsOf(node, ctx.shape(weight!)[1]!);
  const unit = (i: number): number => {
    let at = i;
    for (const p of parts) {
      if (at < p) return blockOf(p, heads)(at);
      at -= p;
    }
    return 0;
  };
  ctx.same({ value: value!, axis: 0 }, { value: y, axis: 0 });
  ctx.same({ value: value!, axis: 1 }, { value: y, axis: 1 });
  ctx.freeze({ value: y, axis: 1 }, 'attention mixes along this axis');
  ctx.sink({ value: value!, axis: 2 }, { value: weight!, axis: 0 });
  unitsOf(ctx, anchor, anchor, blockOf(out, heads), out / heads);
  unitsOf(ctx, { value: weight!, axis: 1 }, anchor, unit, out / heads);
  if (bias) unitsOf(ctx, { value: bias, axis: 0 }, anchor, unit, out / heads);
}

function rewriteAttention(ctx: RewriteContext): void {
  const { node } = ctx;
  const [before, after] = [ctx.shapeBefore(node.output())[2]!, ctx.shapeAfter(node.output())[2]!];
  if (before === after) return;
  const heads = number(node, 'num_heads');
  const left = (heads * after) / before;
  const parts = partsOf(node, ctx.shapeBefore(node.input(1)!)[1]!);
  node.attributes.set('num_heads', int(left));
  if (node.attributes.has('qkv_hidden_sizes'))
    node.attributes.set('qkv_hidden_sizes', ints(parts.map((p) => (p * left) / heads)));
}

// ---------------------------------------------------------------- query, key and value given

/** Widths of query, key and value as [B,S,heads*size], with `groups` key heads of heads / groups query heads each. */
function relateHeads(ctx: PruneContext, heads: number, groups: number): void {
  const { node } = ctx;
  const [query, key, value] = node.inputs;
  const y = node.output();
  if (!key || !value || [query, key, value].some((v) => ctx.shape(v!).length !== 3) || heads % groups) return;
  const out = ctx.shape(y)[2]!;
  const anchor = { value: y, axis: 2 };
  const size = out / groups;
  ctx.same({ value: query!, axis: 0 }, { value: y, axis: 0 });
  for (const v of [key, value]) ctx.same({ value: v, axis: 0 }, { value: y, axis: 0 });
  for (const v of [query!, key, value]) ctx.freeze({ value: v, axis: 1 }, 'attention mixes along this axis');
  ctx.freeze({ value: y, axis: 1 }, 'attention mixes along this axis');
  unitsOf(ctx, anchor, anchor, blockOf(out, groups), size);
  for (const v of [query!, key, value])
    unitsOf(ctx, { value: v, axis: 2 }, anchor, blockOf(ctx.shape(v)[2]!, groups), size);
}

function rewriteHeads(ctx: RewriteContext, names: readonly string[]): void {
  const { node } = ctx;
  const [before, after] = [ctx.shapeBefore(node.output()).at(-1)!, ctx.shapeAfter(node.output()).at(-1)!];
  if (before === after) return;
  for (const name of names)
    if (node.attributes.has(name)) node.attributes.set(name, int((number(node, name) * after) / before));
}

function relateMultiHead(ctx: PruneContext): void {
  const heads = number(ctx.node, 'num_heads');
  relateHeads(ctx, heads, heads);
  const [bias, y] = [ctx.node.input(3), ctx.node.output()];
  const out = ctx.shape(y).at(-1)!;
  // The biases of query, key and value, concatenated. They must have equal widths, or the axis stays.
  if (bias && ctx.shape(bias)[0] === 3 * out && ctx.node.input(1) && ctx.shape(ctx.node.input(1)!).length === 3)
    unitsOf(ctx, { value: bias, axis: 0 }, { value: y, axis: 2 }, (i) => blockOf(out, heads)(i % out), out / heads);
}

/**
 * com.microsoft GroupQueryAttention: query, key and value as separate or concatenated inputs, with a cache of keys and
 * values.
 */
function relateGroupQuery(ctx: PruneContext): void {
  const { node } = ctx;
  const [query, key, value, pastKey, pastValue] = node.inputs;
  const y = node.output();
  const [heads, groups] = [number(node, 'num_heads'), number(node, 'kv_num_heads')];
  // A bias or a sink per head has further axes; both are rare enough to stay whole.
  if (!groups || heads % groups || node.input(10) || node.input(11)) return;
  const out = ctx.shape(y)[2]!;
  const anchor = { value: y, axis: 2 };
  const size = out / groups;
  if (key && value) relateHeads(ctx, heads, groups);
  else {
    const wide = ctx.shape(query!)[2]!;
    const head = wide / (heads + 2 * groups);
    const unit = (i: number): number =>
      i < heads * head ? Math.floor((i * groups) / (heads * head)) : Math.floor(i / head - heads) % groups;
    ctx.same({ value: query!, axis: 0 }, { value: y, axis: 0 });
    for (const v of [query!, y]) ctx.freeze({ value: v, axis: 1 }, 'attention mixes along this axis');
    unitsOf(ctx, anchor, anchor, blockOf(out, groups), size);
    unitsOf(ctx, { value: query!, axis: 2 }, anchor, unit, size);
  }
  for (const v of [pastKey, pastValue, ...node.outputs.slice(1, 3)]) {
    if (!v || ctx.shape(v).length !== 4) continue;
    ctx.same({ value: v, axis: 0 }, { value: y, axis: 0 });
    ctx.map({ value: v, axis: 1 }, anchor, (i) => i * size);
  }
}

/** ai.onnx Attention on [B,heads,S,size] as well as [B,S,heads*size]. */
function relateStandard(ctx: PruneContext): void {
  const { node } = ctx;
  const [query, key, value] = node.inputs;
  if (ctx.shape(query!).length === 3)
    return relateHeads(ctx, number(node, 'q_num_heads'), number(node, 'kv_num_heads') || number(node, 'q_num_heads'));
  const y = node.output();
  const [heads, groups] = [ctx.shape(query!)[1]!, ctx.shape(key!)[1]!];
  sameAxes(ctx, query!, y, [1, 2, 3]);
  for (const v of [key!, value!]) ctx.same({ value: v, axis: 0 }, { value: y, axis: 0 });
  const each = heads / groups;
  const anchor = { value: y, axis: 1 };
  ctx.map(anchor, anchor, (i) => Math.floor(i / each) * each);
  ctx.same({ value: query!, axis: 1 }, anchor);
  for (const v of [key!, value!]) ctx.map({ value: v, axis: 1 }, anchor, (i) => i * each);
  // Sizes of single heads: values pass through; queries and keys are summed over, with a scale that follows their
  // number.
  ctx.same({ value: value!, axis: 3 }, { value: y, axis: 3 });
}

/** Multiply-accumulates of the scores and of their product with the values. */
const products = (heads: number, s: number, l: number, size: number, valueSize: number): number =>
  heads * s * l * (size + valueSize);

const none = unsupported('fused by the runtime or the exporter: the parts have gradients');

const cInt32s = (values: readonly number[], dims: readonly number[] = [values.length]) =>
  c(new MemoryTensor(DType.INT32, dims, new Uint8Array(Int32Array.from(values).buffer)));
const groupQuery = (heads: number, groups: number): readonly [string, Attribute][] => [
  ['num_heads', int(heads)],
  ['kv_num_heads', int(groups)],
];

export const operators: readonly OperatorDef[] = [
  {
    opType: 'Attention',
    domain: 'com.microsoft',
    shape: (ctx) => {
      const [input, weight] = [ctx.in(0)!, ctx.in(1)!];
      return [[input[0]!, input[1]!, partsOf(ctx.node, weight[1]!)[2]!], ...ctx.node.outputs.slice(1).map(() => null)];
    },
    macs: (ctx) => {
      const [n, s, e] = ctx.in(0)! as [number, number, number];
      const wide = ctx.in(1)![1]!;
      return n * (s * e * wide + products(1, s, s, partsOf(ctx.node, wide)[0]!, partsOf(ctx.node, wide)[2]!));
    },
    prune: { relate: relateAttention, rewrite: rewriteAttention },
    traits: { attention: true },
    grad: none,
    examples: [
      {
        name: 'four heads',
        attributes: [['num_heads', int(4)]],
        inputs: [x([1, 3, 8]), w([8, 24]), w([24])],
      },
    ],
  },
  {
    opType: 'MultiHeadAttention',
    domain: 'com.microsoft',
    shape: (ctx) => [
      ctx.in(0)!.length === 3 && ctx.in(2) ? [...ctx.in(0)!.slice(0, 2), ctx.in(2)!.at(-1)!] : null,
      ...ctx.node.outputs.slice(1).map(() => null),
    ],
    macs: (ctx) => {
      const [q, k] = [ctx.in(0)!, ctx.in(1) ?? ctx.in(0)!];
      return q[0]! * products(1, q[1]!, k[1]!, q.at(-1)!, ctx.out(0).at(-1)!);
    },
    prune: { relate: relateMultiHead, rewrite: (ctx) => rewriteHeads(ctx, ['num_heads']) },
    traits: {
      attention: true,
      attentionPorts: { past: [6, 7], present: [1, 2], bias: 5, heads: ['num_heads', 'num_heads'] },
    },
    grad: none,
    expand: expandMultiHead,
    examples: [
      {
        name: 'three heads',
        attributes: [['num_heads', int(3)]],
        inputs: [x([1, 4, 6]), x([1, 5, 6]), x([1, 5, 6])],
      },
      {
        name: 'with biases',
        attributes: [['num_heads', int(2)]],
        inputs: [x([1, 4, 6]), x([1, 4, 6]), x([1, 4, 6]), w([18])],
      },
    ],
  },
  {
    opType: 'GroupQueryAttention',
    domain: 'com.microsoft',
    shape: (ctx) => {
      const [n, s, wide] = ctx.in(0)! as [number, number, number];
      const [heads, groups] = [number(ctx.node, 'num_heads'), number(ctx.node, 'kv_num_heads')];
      const out = ctx.in(1) ? wide : (wide / (heads + 2 * groups)) * heads;
      return [[n, s, out], ...ctx.node.outputs.slice(1).map(() => null)];
    },
    macs: (ctx) => {
      const y = ctx.out(0);
      const cached = ctx.in(3)?.[2] ?? 0;
      return y[0]! * products(1, y[1]!, y[1]! + cached, y[2]!, y[2]!);
    },
    prune: { relate: relateGroupQuery, rewrite: (ctx) => rewriteHeads(ctx, ['num_heads', 'kv_num_heads']) },
    traits: {
      attention: true,
      attentionPorts: {
        past: [3, 4],
        present: [1, 2],
        bias: 10,

        heads: ['num_heads', 'kv_num_heads'],
        packed: true,
        rotary: {
          attribute: 'do_rotary',
          cos: 7,
          sin: 8,
          positions: 9,
          interleaved: 'rotary_interleaved',
          last: 11,
        },
        window: 'local_window_size',
      },
    },
    grad: none,
    expand: expandGroupQuery,
    examples: [
      {
        name: 'four heads share two keys',
        attributes: groupQuery(4, 2),
        inputs: [x([1, 3, 32]), x([1, 3, 16]), x([1, 3, 16]), null, null, cInt32s([2]), cInt32s([3], [])],
      },
      {
        name: 'side by side, behind a cache',
        attributes: groupQuery(4, 2),
        inputs: [x([1, 1, 64]), null, null, x([1, 2, 5, 8]), x([1, 2, 5, 8]), cInt32s([5]), cInt32s([6], [])],
        outputs: 3,
      },
    ],
  },
  {
    opType: 'Attention',
    shape: (ctx) => {
      const [q, v] = [ctx.in(0)!, ctx.in(2)!];
      const heads = number(ctx.node, 'q_num_heads');
      const groups = number(ctx.node, 'kv_num_heads') || heads;
      const out = q.length === 4 ? [...q.slice(0, 3), v[3]!] : [q[0]!, q[1]!, (v[2]! / groups) * heads];
      return [out, ...ctx.node.outputs.slice(1).map(() => null)];
    },
    macs: (ctx) => {
      const [q, k, y] = [ctx.in(0)!, ctx.in(1)!, ctx.out(0)];
      const wide = q.length === 4 ? [q[1]! * q[3]!, y[1]! * y[3]!] : [q[2]!, y[2]!];
      return q[0]! * products(1, q.at(-2)!, k.at(-2)!, wide[0]!, wide[1]!);
    },
    prune: { relate: relateStandard, rewrite: (ctx) => rewriteHeads3(ctx) },
    traits: {
      attention: true,
      attentionPorts: { past: [4, 5], present: [1, 2], bias: 3, heads: ['q_num_heads', 'kv_num_heads'] },
    },
    grad: none,
    expand: expandStandard,
    examples: [
      { name: 'four axes', opset: 23, inputs: [x([1, 4, 3, 5]), x([1, 4, 6, 5]), x([1, 4, 6, 5])] },
      { name: 'shared keys', opset: 23, inputs: [x([1, 4, 3, 5]), x([1, 2, 6, 5]), x([1, 2, 6, 5])] },
      {
        name: 'three axes',
        opset: 23,
        attributes: [
          ['q_num_heads', int(4)],
          ['kv_num_heads', int(2)],
        ],
        inputs: [x([1, 3, 12]), x([1, 5, 6]), x([1, 5, 6])],
      },
    ],
  },
];

/** The number of heads is an attribute only for inputs of three axes. */
function rewriteHeads3(ctx: RewriteContext): void {
  if (ctx.shapeBefore(ctx.node.output()).length === 3) rewriteHeads(ctx, ['q_num_heads', 'kv_num_heads']);
}
