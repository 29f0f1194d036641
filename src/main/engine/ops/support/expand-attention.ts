/**
 * Fused attention in single operators, at fixed sizes: queries by keys, a softmax, and its product with the values. Keys
 * that several query heads share are not repeated. Every sequence of a batch has full length.
 */
import { attrFloat, attrInt, int } from '../../ir/attribute.ts';
import { DType } from '../../ir/dtype.ts';
import type { Node } from '../../ir/node.ts';
import { f32 } from '../../ir/tensor.ts';
import type { Value } from '../../ir/value.ts';
import type { ExpandContext } from '../contract.ts';
import { rotateHeads } from './expand-rotation.ts';

/** Added to the score of a key that a query does not see. */
const UNSEEN = -1e30;

/** A value by head, [B, heads, length, size]. */
interface Heads {
  readonly value: Value;
  readonly dims: readonly [number, number, number, number];
}

const number = (node: Node, name: string, or = 0): number => attrInt(node.attributes.get(name), or);
const real = (node: Node, name: string): number => attrFloat(node.attributes.get(name), 0);

/**
 * @param count heads of a value [B, length, heads * size]; a value of four axes is by head already
 * @param dims of the value
 */
function byHead({ b }: ExpandContext, value: Value, count: number, dims: readonly number[]): Heads {
  if (dims.length === 4) return { value, dims: dims as unknown as Heads['dims'] };
  const [n, length, width] = dims as [number, number, number];
  const size = width / count;
  return {
    value: b.transpose(b.reshape(value, [n, length, count, size]), [0, 2, 1, 3]),
    dims: [n, count, length, size],
  };
}

/** Behind a cache [B, heads, length, size]. */
function behind({ b, shape }: ExpandContext, past: Value | null, { value, dims }: Heads): Heads {
  const seen = past ? shape(past)[2]! : 0;
  if (seen === 0) return { value, dims };
  return { value: b.concat([past!, value], 2), dims: [dims[0], dims[1], seen + dims[2], dims[3]] };
}

interface Attention {
  readonly query: Heads;
  readonly key: Heads;
  readonly value: Heads;
  readonly scale: number;
  /** Limit of the scores by a hyperbolic tangent; 0: none. */
  readonly softcap: number;
  /** A query sees the keys up to its own place, counted from the end. */
  readonly causal: boolean;
  /** Keys before a query that it sees; at most 0: all. */
  readonly window?: number;
  /** Added to the scores, or a boolean that admits them. */
  readonly bias: Value | null;
}

/** Values mixed by attention, [B, heads, S, size]. */
function attend(ctx: ExpandContext, a: Attention): Heads {
  const { b } = ctx;
  const [n, heads, s, size] = a.query.dims;
  const [, groups, length] = a.key.dims;
  const wide = a.value.dims[3];
  const rows = (heads / groups) * s;
  const query = b.reshape(b.mul(a.query.value, b.scalar(a.scale)), [n, groups, rows, size]);
  const products = b.matmul(query, b.transpose(a.key.value, [0, 1, 3, 2]));
  let scores = b.reshape(products, [n, heads, s, length]);
  if (a.softcap > 0) scores = b.mul(b.op('Tanh', [b.mul(scores, b.scalar(1 / a.softcap))]), b.scalar(a.softcap));
  if (a.causal) scores = b.add(scores, causalBias(ctx, s, length, a.window ?? 0));
  if (a.bias) scores = b.add(scores, biasOf(ctx, a.bias));
  const shares = b.op('Softmax', [scores], { axis: int(3) });
  const mixed = b.matmul(b.reshape(shares, [n, groups, rows, length]), a.value.value);
  return { value: b.reshape(mixed, [n, heads, s, wide]), dims: [n, heads, s, wide] };
}

/** [s, length]: 0 where the query of a row sees the key of a column. */
function causalBias({ shared }: ExpandContext, s: number, length: number, window: number): Value {
  return shared(`causal ${s} ${length} ${window}`, () => {
    const data = new Float32Array(s * length);
    for (let row = 0; row < s; row++)
      for (let column = 0; column < length; column++) {
        const back = length - s + row - column;
        if (back < 0 || (window > 0 && back >= window)) data[row * length + column] = UNSEEN;
      }
    return f32(data, [s, length]);
  });
}

function biasOf({ b, dtype }: ExpandContext, bias: Value): Value {
  if (dtype(bias) !== DType.BOOL) return bias;
  return b.where(bias, b.scalar(0), b.scalar(UNSEEN));
}

const joined = ({ b }: ExpandContext, { value, dims: [n, heads, s, size] }: Heads): Value =>
  b.reshape(b.transpose(value, [0, 2, 1, 3]), [n, s, heads * size]);

const refuse = (reason: string): never => {
  throw new Error(reason);
};

/** com.microsoft GroupQueryAttention. Positions are counted from the length of the cache. */
export function expandGroupQuery(ctx: ExpandContext): (Value | null)[] {
  const { node, b, shape } = ctx;
  const [heads, groups] = [number(node, 'num_heads'), number(node, 'kv_num_heads')];
  if (node.input(11) || number(node, 'smooth_softmax') > 0) refuse('attention with sinks is not expanded');
  const all = node.input(0)!;
  const [n, s, width] = shape(all) as [number, number, number];
  const size = width / (node.input(1) ? heads : heads + 2 * groups);
  const [query, key, value] = node.input(1)
    ? [all, node.input(1)!, node.input(2)!]
    : b.split(
        all,
        [heads, groups, groups].map((count) => count * size),
        2,
      );
  const pastKey = node.input(3);
  const first = pastKey ? shape(pastKey)[2]! : 0;
  const turn = (h: Heads): Heads => {
    if (number(node, 'do_rotary') !== 1) return h;
    const table = (v: Value): Value => b.slice(v, [first], [first + s], [0]);
    const half = shape(node.input(7)!)[1]!;
    const interleaved = number(node, 'rotary_interleaved') === 1;
    const tables = { cos: table(node.input(7)!), sin: table(node.input(8)!), half, interleaved };
    return { ...h, value: rotateHeads(ctx, h.value, tables, h.dims) };
  };
  const heading = (v: Value, count: number): Heads => byHead(ctx, v, count, [n, s, count * size]);
  const keys = behind(ctx, pastKey, turn(heading(key!, groups)));
  const values = behind(ctx, node.input(4), heading(value!, groups));
  const mixed = attend(ctx, {
    query: turn(heading(query!, heads)),
    key: keys,
    value: values,
    scale: real(node, 'scale') || 1 / Math.sqrt(size),
    softcap: real(node, 'softcap'),
    causal: true,
    window: number(node, 'local_window_size', -1),
    bias: node.input(10),
  });
  return [joined(ctx, mixed), keys.value, values.value, ...node.outputs.slice(3).map(() => null)];
}

/** com.microsoft MultiHeadAttention. */
export function expandMultiHead(ctx: ExpandContext): (Value | null)[] {
  const { node, b, shape } = ctx;
  const heads = number(node, 'num_heads');
  const [query, key, value, bias, padding] = node.inputs;
  if (!key || !value) refuse('attention with packed inputs is not expanded');
  if (padding) refuse('attention with a mask of padding is not expanded');
  const widths = [query!, key!, value!].map((v) => (shape(v).length === 3 ? shape(v)[2]! : 0));
  if (bias && widths.includes(0)) refuse('attention with biases and a cache of keys is not expanded');
  const biases = bias ? b.split(bias, widths, 0) : [];
  const [q, k, v] = [query!, key!, value!].map((x, i) =>
    byHead(ctx, biases[i] ? b.add(x, biases[i]) : x, heads, shape(x)),
  );
  const [keys, values] = [behind(ctx, node.input(6), k!), behind(ctx, node.input(7), v!)];
  const mixed = attend(ctx, {
    query: q!,
    key: keys,
    value: values,
    scale: real(node, 'scale') || 1 / Math.sqrt(q!.dims[3]),
    softcap: 0,
    causal: number(node, 'unidirectional') === 1,
    bias: node.input(5),
  });
  return [joined(ctx, mixed), keys.value, values.value, ...node.outputs.slice(3).map(() => null)];
}

/** ai.onnx Attention. */
export function expandStandard(ctx: ExpandContext): (Value | null)[] {
  const { node, shape } = ctx;
  const [query, key, value, bias, pastKey, pastValue] = node.inputs;
  const heads = number(node, 'q_num_heads');
  const groups = number(node, 'kv_num_heads') || heads;
  const q = byHead(ctx, query!, heads, shape(query!));
  const keys = behind(ctx, pastKey ?? null, byHead(ctx, key!, groups, shape(key!)));
  const values = behind(ctx, pastValue ?? null, byHead(ctx, value!, groups, shape(value!)));
  const causal = number(node, 'is_causal') === 1;
  if (causal && keys.dims[2] !== q.dims[2]) refuse('causal attention to more keys than queries is not expanded');
  if (node.input(6)) refuse('attention with lengths of keys is not expanded');
  const mixed = attend(ctx, {
    query: q,
    key: keys,
    value: values,
    scale: real(node, 'scale') || 1 / Math.sqrt(q.dims[3]),
    softcap: real(node, 'softcap'),
    causal,
    bias: bias ?? null,
  });
  const out = shape(query!).length === 4 ? mixed.value : joined(ctx, mixed);
  return [out, keys.value, values.value, ...node.outputs.slice(3).map(() => null)];
}
