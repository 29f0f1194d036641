/**
 * Gradients of convolutions, expressed as forward operators that are fast in the runtime. Shapes: x [N,C,...], w
 * [M,C/g,...], dY [N,M,...].
 */
import type { GraphBuilder } from '../../autodiff/builder.ts';
import { int, ints } from '../../ir/attribute.ts';
import { elementCount } from '../../ir/dtype.ts';
import { f32 } from '../../ir/tensor.ts';
import type { Value } from '../../ir/value.ts';
import type { ConvGeometry } from './spatial.ts';

const range = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => from + i);

/** A [..,M,K] times B [..,N,K] transposed. The runtime's fused product avoids the transpose. */
export function matmulTransB(b: GraphBuilder, x: Value, y: Value): Value {
  return b.op('FusedMatMul', [x, y], { transB: int(1) }, 'com.microsoft');
}

/**
 * Gradient of the input. Stride 1: a Conv of dY with the weight flipped and its channels swapped (a third faster than
 * ConvTranspose in ONNX Runtime on CPU). Otherwise ConvTranspose, which takes the weight unchanged.
 */
export function convInputGradient(
  b: GraphBuilder,
  dY: Value,
  w: Value,
  xShape: readonly number[],
  wShape: readonly number[],
  geo: ConvGeometry,
): Value {
  const span = geo.kernel.map((k, i) => (k - 1) * geo.dilations[i]!);
  const begin = span.map((s, i) => s - geo.begin[i]!);
  const end = span.map((s, i) => s - geo.end[i]!);
  const group = int(geo.group);
  const dilations = ints(geo.dilations);
  if (geo.strides.every((s) => s === 1) && [...begin, ...end].every((p) => p >= 0)) {
    const flipped = swapAndFlip(b, w, wShape, geo.group);
    return b.op('Conv', [dY, flipped], { group, dilations, pads: ints([...begin, ...end]) });
  }
  const leftOver = geo.kernel.map(
    (_, i) => xShape[i + 2]! + geo.begin[i]! + geo.end[i]! - ((geo.out[i]! - 1) * geo.strides[i]! + span[i]! + 1),
  );
  return b.op('ConvTranspose', [dY, w], {
    group,
    dilations,
    strides: ints(geo.strides),
    pads: ints([...geo.begin, ...geo.end]),
    output_padding: ints(leftOver),
  });
}

/** [M,C/g,...] to [C,M/g,...] with every kernel axis reversed. */
function swapAndFlip(b: GraphBuilder, w: Value, shape: readonly number[], group: number): Value {
  const [m, c, kernel] = [shape[0]!, shape[1]!, shape.slice(2)];
  const taps = elementCount(kernel);
  const target = [group * c, m / group, ...kernel];
  const swap = c !== 1 || m !== group;
  if (taps === 1) {
    const t = group === 1 ? b.reshape(w, [m, c]) : b.reshape(w, [group, m / group, c]);
    return b.reshape(swap ? b.transpose(t, group === 1 ? [1, 0] : [0, 2, 1]) : w, target);
  }
  // Taps first, so that the reversal moves whole blocks.
  const t = b.transpose(b.reshape(w, [group, m / group, c, taps]), [3, 0, 2, 1]);
  const reversed = b.gather(t, range(taps).reverse(), 0);
  return b.reshape(b.transpose(reversed, [1, 2, 3, 0]), target);
}

/** Gradient of the weight. The method depends on the shape (measured with ONNX Runtime 1.30 on CPU). */
export function convWeightGradient(
  b: GraphBuilder,
  x: Value,
  dY: Value,
  xShape: readonly number[],
  wShape: readonly number[],
  geo: ConvGeometry,
): Value {
  const taps = elementCount(geo.kernel);
  const outPerGroup = wShape[0]! / geo.group;
  const places = elementCount(geo.out);
  if (wShape[1] === 1 && outPerGroup === 1) return depthwiseTaps(b, x, dY, xShape, wShape, geo);
  // One small product per sample is materialised and summed, which is too expensive where products are larger than the
  // patches.
  if (outPerGroup > 2 * places || taps > 9 * outPerGroup) return shiftedMatMuls(b, x, dY, xShape, wShape, geo);
  const pairs = geo.kernel.length === 2 && geo.kernel.every((k) => k > 1) && geo.strides.every((s) => s === 1);
  if (pairs && wShape[1]! >= 8 && outPerGroup >= 8 && places >= 256) return shiftedPairs(b, x, dY, xShape, wShape, geo);
  return patchMatMul(b, x, dY, xShape, wShape, geo);
}

/** Patches [N,g,C/g*taps,places] once, then one batched product with dY, summed over the batch. */
function patchMatMul(
  b: GraphBuilder,
  x: Value,
  dY: Value,
  xShape: readonly number[],
  wShape: readonly number[],
  geo: ConvGeometry,
): Value {
  const [n, c] = [xShape[0]!, xShape[1]!];
  const taps = elementCount(geo.kernel);
  const places = elementCount(geo.out);
  const lead = geo.group === 1 ? [n] : [n, geo.group];
  const cols = b.reshape(patches(b, x, c, geo), [...lead, (c / geo.group) * taps, places]);
  const rows = b.reshape(dY, [...lead, wShape[0]! / geo.group, places]);
  // The larger operand on the left: the runtime repacks the right one.
  const sum = b.reduceSum(matmulTransB(b, cols, rows), [0], false);
  return b.reshape(b.transpose(sum, geo.group === 1 ? [1, 0] : [0, 2, 1]), wShape);
}

/**
 * Stride 1, two axes: x shifted along its columns, [N,C*kw,R*W], times dY shifted along its rows, [N,M*kh,R*W], holds
 * every pair of shifts: all taps from kh + kw copies in place of kh * kw. R = rows of the padded x.
 */
function shiftedPairs(
  b: GraphBuilder,
  x: Value,
  dY: Value,
  xShape: readonly number[],
  wShape: readonly number[],
  geo: ConvGeometry,
): Value {
  const [n, c, m, g] = [xShape[0]!, xShape[1]! / geo.group, wShape[0]! / geo.group, geo.group];
  const [kh, kw] = [geo.kernel[0]!, geo.kernel[1]!];
  const reach = (kh - 1) * geo.dilations[0]!;
  const length = (geo.out[0]! + reach) * geo.out[1]!;
  const one = { begin: [0, 0], end: [0, 0], strides: [1, 1] };
  const columns = patches(b, x, c * g, { ...geo, kernel: [1, kw], dilations: [1, geo.dilations[1]!] });
  const down = {
    ...geo,
    ...one,
    begin: [reach, 0],
    end: [reach, 0],
    kernel: [kh, 1],
    dilations: [geo.dilations[0]!, 1],
  };
  const rows = patches(b, dY, m * g, down, true);
  const lead = g === 1 ? [n] : [n, g];
  const product = matmulTransB(
    b,
    b.reshape(columns, [...lead, c * kw, length]),
    b.reshape(rows, [...lead, m * kh, length]),
  );
  const sum = b.reshape(b.reduceSum(product, [0], false), [g, c, kw, m, kh]);
  return b.reshape(b.transpose(sum, [0, 3, 1, 4, 2]), wShape);
}

/**
 * The input patch of every output position, [N, C*taps, ...out], with its taps optionally in reverse order. A depthwise
 * Conv with one-hot kernels copies it faster than slices do.
 */
function patches(b: GraphBuilder, x: Value, channels: number, geo: ConvGeometry, reversed = false): Value {
  const taps = elementCount(geo.kernel);
  const plain = geo.begin.every((p) => p === 0) && geo.end.every((p) => p === 0);
  if (taps === 1 && plain) {
    if (geo.strides.every((s) => s === 1)) return x;
    const axes = range(geo.kernel.length, 2);
    const ends = geo.out.map((o, i) => (o - 1) * geo.strides[i]! + 1);
    return b.slice(
      x,
      axes.map(() => 0),
      ends,
      axes,
      geo.strides,
    );
  }
  const oneHot = new Float32Array(channels * taps * taps);
  for (let c = 0; c < channels; c++)
    for (let t = 0; t < taps; t++) oneHot[(c * taps + t) * taps + (reversed ? taps - 1 - t : t)] = 1;
  const kernel = b.tensor(f32(oneHot, [channels * taps, 1, ...geo.kernel]), 'patches');
  return b.op('Conv', [x, kernel], {
    group: int(channels),
    dilations: ints(geo.dilations),
    strides: ints(geo.strides),
    pads: ints([...geo.begin, ...geo.end]),
  });
}

/** Input values at each tap of the kernel: one slice [.., ...out] per tap of the padded x. */
function tapSlices(b: GraphBuilder, x: Value, geo: ConvGeometry): Value[] {
  const axes = range(geo.kernel.length, 2);
  const padded = [...geo.begin, ...geo.end].some((p) => p > 0) ? b.pad(x, [0, 0, ...geo.begin, 0, 0, ...geo.end]) : x;
  const strided = geo.strides.some((s) => s > 1);
  return range(elementCount(geo.kernel)).map((t) => {
    const starts: number[] = [];
    for (let i = geo.kernel.length - 1, rest = t; i >= 0; i--) {
      starts[i] = (rest % geo.kernel[i]!) * geo.dilations[i]!;
      rest = Math.floor(rest / geo.kernel[i]!);
    }
    const ends = starts.map((s, i) => s + (geo.out[i]! - 1) * geo.strides[i]! + 1);
    return b.slice(padded, starts, ends, axes, strided ? geo.strides : undefined);
  });
}

/** Channels first, then one product over batch and positions per tap. */
function shiftedMatMuls(
  b: GraphBuilder,
  x: Value,
  dY: Value,
  xShape: readonly number[],
  wShape: readonly number[],
  geo: ConvGeometry,
): Value {
  const [n, c, m] = [xShape[0]!, xShape[1]!, wShape[0]!];
  const swap = [1, 0, ...range(geo.kernel.length, 2)];
  const length = n * elementCount(geo.out);
  const lead = geo.group === 1 ? [] : [geo.group];
  const rows = b.reshape(b.transpose(dY, swap), [...lead, m / geo.group, length]);
  const perTap = tapSlices(b, b.transpose(x, swap), geo).map((s) => {
    const product = matmulTransB(b, rows, b.reshape(s, [...lead, c / geo.group, length]));
    return b.reshape(product, [m, c / geo.group, 1]);
  });
  return b.reshape(perTap.length === 1 ? perTap[0]! : b.concat(perTap, 2), wShape);
}

/** Depthwise: there is no product to share, so multiply and sum per tap. */
function depthwiseTaps(
  b: GraphBuilder,
  x: Value,
  dY: Value,
  xShape: readonly number[],
  wShape: readonly number[],
  geo: ConvGeometry,
): Value {
  const [n, c] = [xShape[0]!, wShape[0]!];
  const perTap = tapSlices(b, x, geo).map((s) => b.reshape(channelDot(b, s, dY, [n, c, ...geo.out]), [c, 1]));
  return b.reshape(perTap.length === 1 ? perTap[0]! : b.concat(perTap, 1), wShape);
}

/** Reshapes a vector of the channels to broadcast against values of the shape. */
export const perChannel = (b: GraphBuilder, v: Value, shape: readonly number[]): Value =>
  shape.length === 2 ? v : b.reshape(v, [shape[1]!, ...shape.slice(2).map(() => 1)]);

/** Gradient of a per-channel bias: dY summed over batch and positions. */
export function channelSum(b: GraphBuilder, dY: Value, shape: readonly number[]): Value {
  const [n, c, places] = [shape[0]!, shape[1]!, elementCount(shape.slice(2))];
  // Rows first: reducing the outer and the inner axis together takes the runtime three times as long.
  const rows = places === 1 ? dY : b.reduceSum(b.reshape(dY, [n * c, places]), [1], false);
  return b.reduceSum(b.reshape(rows, [n, c]), [0], false);
}

/** From this number of positions on, dot products of rows are faster than a product that is materialised and summed. */
const LONG_ROWS = 512;

/**
 * Sums of products over batch and positions, per channel.
 * @param shape of both
 */
export function channelDot(b: GraphBuilder, p: Value, q: Value, shape: readonly number[]): Value {
  const [n, c, places] = [shape[0]!, shape[1]!, elementCount(shape.slice(2))];
  if (places < LONG_ROWS) return channelSum(b, b.mul(p, q), shape);
  const row = (v: Value): Value => b.reshape(v, [n * c, 1, places]);
  return channelSum(b, matmulTransB(b, row(p), row(q)), [n, c]);
}
