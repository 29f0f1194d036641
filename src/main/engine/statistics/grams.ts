/**
 * Emits Gram matrices as graphs: X'X of activations, per channel or per im2col column, and cross products Y X' with a
 * target. One float32 matrix product per batch; results of batches are accumulated in float64 (statistics.ts). Sizes
 * other than channels and spatial sizes (batch, tokens) may differ between runs.
 */
import { int } from '../ir/attribute.ts';
import { f32 } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import type { GraphBuilder } from '../autodiff/builder.ts';

export interface Im2colGeometry {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Padding before and after each spatial axis. */
  readonly begin: readonly number[];
  readonly end: readonly number[];
  /** Spatial output sizes. */
  readonly out: readonly number[];
}

export interface Gram {
  /** X X' summed over samples and positions: [R, R], or [groups, R, R]. */
  readonly gram: Value;
  /** Y X': [M, R], or [groups, M, R]; present when a target was given. */
  readonly cross?: Value;
  /** Sum of X: [R], or [groups, R]. */
  readonly sum: Value;
  /** Sum of Y: [M], or [groups, M]. */
  readonly targetSum?: Value;
}

export interface Target {
  readonly value: Value;
  readonly shape: readonly number[];
}

const product = (b: GraphBuilder, l: Value, r: Value, which: 'transA' | 'transB'): Value =>
  b.op('FusedMatMul', [l, r], { [which]: int(1) }, 'com.microsoft');

/**
 * The Gram of a tensor over all its axes but `axis`: channels of [N,C,spatial...] or features of [...,C]. A target must
 * have the same layout with its own number of channels.
 */
export function channelGram(
  b: GraphBuilder,
  value: Value,
  shape: readonly number[],
  axis: number,
  target?: Target,
): Gram {
  const rank = shape.length;
  if (axis === rank - 1) {
    const flat = (v: Value, width: number): Value => (rank === 2 ? v : b.reshape(v, [-1, width]));
    const x = flat(value, shape[axis]!);
    const y = target && flat(target.value, target.shape[axis]!);
    return {
      gram: product(b, x, x, 'transA'),
      sum: b.reduceSum(x, [0], false),
      ...(y && { cross: product(b, y, x, 'transA'), targetSum: b.reduceSum(y, [0], false) }),
    };
  }
  if (axis !== 1) {
    // Any other axis is first moved to the end.
    const perm = [...shape.keys()].filter((i) => i !== axis).concat(axis);
    const moved = (t: Target): Target => ({ value: b.transpose(t.value, perm), shape: perm.map((i) => t.shape[i]!) });
    const x = moved({ value, shape });
    return channelGram(b, x.value, x.shape, rank - 1, target && moved(target));
  }
  const size = shape.slice(2).reduce((p, n) => p * n, 1);
  return rowGram(b, { value, shape }, shape[1]!, size, 1, target);
}

/**
 * Every n-th position, n = `every`, along each of the last `spatial` axes of a value. A broadcast value may have fewer
 * axes, or axes of size 1.
 * @param dims of the value; only those of the spatial axes are used
 */
export function thin(b: GraphBuilder, value: Value, dims: readonly number[], spatial: number, every: number): Value {
  if (every === 1) return value;
  return dims.reduce(
    (v, n, axis) => (axis < dims.length - spatial || n === 1 ? v : pick(b, v, axis, 0, every, Math.ceil(n / every))),
    value,
  );
}

/** `count` positions of one axis. The runtime gathers several times as fast as it slices with steps. */
const pick = (b: GraphBuilder, v: Value, axis: number, from: number, step: number, count: number): Value =>
  b.gather(
    v,
    Array.from({ length: count }, (_, k) => from + k * step),
    axis,
  );

/**
 * Emits the im2col Gram of a convolution's input [N,C,spatial...]. Column order is that of the flattened weight:
 * channel, then kernel position. With `groups` > 1, everything is per group. `every` = n samples every n-th output
 * position along each spatial axis, which costs less. `target` (the layer's output at those positions, see `thin`) adds
 * Y X'.
 */
export function im2colGram(
  b: GraphBuilder,
  value: Value,
  shape: readonly number[],
  geometry: Im2colGeometry,
  options: { readonly groups?: number; readonly target?: Target; readonly every?: number } = {},
): Gram {
  const { groups = 1, target, every = 1 } = options;
  const columns = im2col(b, value, geometry, every);
  const taps = geometry.kernel.reduce((p, k) => p * k, 1);
  const out = geometry.out.map((n) => Math.ceil(n / every));
  const size = out.reduce((p, n) => p * n, 1);
  const columnShape = taps > 1 ? [shape[0]!, shape[1]!, taps, ...out] : [shape[0]!, shape[1]!, ...out];
  const x = { value: columns, shape: columnShape };
  return rowGram(b, x, shape[1]! * taps, size, groups, target);
}

/**
 * Means of the im2col columns over samples and positions, [C x taps]. A kernel position's input along one axis is a sum
 * over some of its entries: one product with a small matrix per axis, instead of a shifted copy per kernel position.
 */
export function im2colMeans(b: GraphBuilder, value: Value, shape: readonly number[], geometry: Im2colGeometry): Value {
  const { kernel, out } = geometry;
  // One sample: [C, spatial...], then axis by axis from the last to the first.
  let x = b.reduceMean(value, [0], false);
  let behind = 1;
  for (let i = kernel.length - 1; i >= 0; i--) {
    const size = shape[i + 2]!;
    const k = kernel[i]!;
    const seen = new Float32Array(k * size);
    for (let tap = 0; tap < k; tap++)
      for (let o = 0; o < out[i]!; o++) {
        const at = o * geometry.strides[i]! + tap * geometry.dilations[i]! - geometry.begin[i]!;
        if (at >= 0 && at < size) seen[tap * size + at]! += 1 / out[i]!;
      }
    const rows = b.tensor(f32(seen, [k, size]));
    x =
      behind === 1
        ? b.matmul(b.reshape(x, [-1, size]), b.transpose(rows, [1, 0]))
        : b.matmul(rows, b.reshape(x, [-1, size, behind]));
    behind *= k;
  }
  return b.reshape(x, [-1]);
}

/** [N,C,T,out...] (without T for kernels of one element): a shifted, strided slice of the input per kernel position. */
function im2col(b: GraphBuilder, value: Value, g: Im2colGeometry, every: number): Value {
  const slices = tapsOf(b, value, g, every);
  if (slices.length === 1) return slices[0]!;
  return b.concat(
    slices.map((s) => b.unsqueeze(s, [2])),
    2,
  );
}

/** The input at each kernel position, [N,C,out...] each. */
function tapsOf(b: GraphBuilder, value: Value, g: Im2colGeometry, every: number): Value[] {
  const rank = g.kernel.length,
    axes = g.kernel.map((_, i) => i + 2),
    steps = g.strides.map((s) => s * every);
  const padded = [...g.begin, ...g.end].some((p) => p > 0);
  const x = padded ? b.pad(value, [0, 0, ...g.begin, 0, 0, ...g.end]) : value;
  let taps: number[][] = [[]];
  for (const k of g.kernel) taps = taps.flatMap((t) => Array.from({ length: k }, (_, i) => [...t, i]));
  const dense = rank === 0 || (taps.length === 1 && !padded && steps.every((s) => s === 1));
  if (dense) return [x];
  // Taps of the same row share the selection along the first axis.
  const shared = new Map<string, Value>();
  const picked = (v: Value, i: number, start: number): Value => {
    const key = `${v.name} ${i} ${start}`;
    let out = shared.get(key);
    if (!out) shared.set(key, (out = pick(b, v, i + 2, start, steps[i]!, Math.ceil(g.out[i]! / every))));
    return out;
  };
  const starts = taps.map((tap) => tap.map((t, i) => t * g.dilations[i]!));
  if (steps.some((s) => s > 1)) return starts.map((start) => start.reduce((v, s, i) => picked(v, i, s), x));
  return starts.map((start) => {
    const end = start.map((s, i) => s + g.out[i]!);
    return b.slice(x, start, end, axes);
  });
}

/**
 * Products of row matrices: a tensor [N, rows, size] in memory order. Long rows are multiplied sample by sample and
 * summed. Short ones are first joined to one long matrix, because a product is efficient only when its inner size is
 * large.
 */
function rowGram(b: GraphBuilder, x: Target, rows: number, size: number, groups: number, target?: Target): Gram {
  const perSample = size >= rows / groups;
  const split = (n: number): number[] => (groups > 1 ? [groups, n / groups] : [n]);
  const matrix = (t: Target, n: number): Value => {
    if (perSample) return b.reshape(t.value, [-1, ...split(n), size]);
    const joined = b.transpose(b.reshape(t.value, [-1, n, size]), [1, 0, 2]);
    return b.reshape(joined, [...split(n), -1]);
  };
  const last = groups > 1 ? 2 : 1;
  const total = (v: Value): Value => (perSample ? b.reduceSum(v, [0], false) : v);
  const sum = (v: Value): Value =>
    perSample ? b.reduceSum(b.reduceSum(v, [last + 1], false), [0], false) : b.reduceSum(v, [last], false);
  const a = matrix(x, rows);
  const y = target && matrix(target, target.shape[1]!);
  return {
    gram: total(product(b, a, a, 'transB')),
    sum: sum(a),
    ...(y && { cross: total(product(b, y, a, 'transB')), targetSum: sum(y) }),
  };
}
