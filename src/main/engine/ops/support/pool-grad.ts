/** Backward graphs of pooling: distributes a gradient per window over the window's elements. */
import { ints } from '../../ir/attribute.ts';
import { elementCount } from '../../ir/dtype.ts';
import { f32 } from '../../ir/tensor.ts';
import type { Value } from '../../ir/value.ts';
import type { GraphBuilder } from '../../autodiff/builder.ts';
import type { PoolGeometry } from './pool.ts';

/** Zero padding or cropping at the end of the spatial axes, from `have` to `want`. */
export function fit(b: GraphBuilder, v: Value, have: readonly number[], want: readonly number[]): Value {
  let out = v;
  const grow = want.map((w, i) => Math.max(0, w - have[i]!));
  if (grow.some((g) => g > 0)) out = b.pad(out, [0, 0, ...want.map(() => 0), 0, 0, ...grow]);
  const crop = want.map((_, i) => i).filter((i) => have[i]! > want[i]!);
  if (crop.length)
    out = b.slice(
      out,
      crop.map(() => 0),
      crop.map((i) => want[i]!),
      crop.map((i) => i + 2),
    );
  return out;
}

/** Interleaves singleton axes: [N,C,h,w] to [N,C,h,1,w,1]. Batch (0) and channels (-1) keep whatever size they have. */
const spread = (b: GraphBuilder, v: Value, channels: number, sizes: readonly number[]): Value =>
  b.reshape(v, [-1, channels, ...sizes.flatMap((s) => [s, 1])]);

/**
 * Repeats every window's value over its kernel: [N,C,out] to [N,C,in], for windows that tile the input. Elements
 * outside all windows get 0.
 */
export function repeat(b: GraphBuilder, v: Value, x: readonly number[], g: PoolGeometry): Value {
  const wide = b.expand(spread(b, v, x[1]!, g.out), [1, 1, ...g.kernel.flatMap((k) => [1, k])]);
  const have = g.out.map((o, i) => o * g.kernel[i]!);
  return fit(b, b.reshape(wide, [-1, x[1]!, ...have]), have, x.slice(2));
}

/**
 * The transpose of summing over windows: [N,C,out] to [N,C,in], any stride, padding and dilation. The values are placed
 * `stride` apart with zeros between, and a sum pool of stride 1 spreads them: pooling is far faster than a transposed
 * convolution here.
 */
export function spreadSums(b: GraphBuilder, v: Value, x: readonly number[], g: PoolGeometry): Value {
  const { kernel, strides, dilations, begin, out } = g;
  const span = kernel.map((k, i) => (k - 1) * dilations[i]! + 1);
  let placed = v,
    size = [...out];
  if (strides.some((s) => s > 1)) {
    const zeros = out.flatMap((_, i) => [0, strides[i]! - 1]);
    const padded = b.pad(spread(b, v, x[1]!, out), [0, 0, ...zeros.map(() => 0), 0, 0, ...zeros]);
    size = out.map((o, i) => o * strides[i]!);
    placed = b.reshape(padded, [-1, x[1]!, ...size]);
  }
  // Element t of the input lies in windows whose start is in t + begin - span + 1 .. t + begin.
  const before = span.map((s, i) => s - 1 - begin[i]!);
  const want = x.slice(2).map((extent, i) => extent + span[i]! - 1);
  const cut = before.map((p) => Math.max(0, -p));
  if (cut.some((p) => p > 0)) {
    const axes = cut.map((_, i) => i + 2);
    placed = b.slice(placed, cut, size, axes);
    size = size.map((s, i) => s - cut[i]!);
  }
  const lead = before.map((p) => Math.max(0, p));
  if (lead.some((p) => p > 0)) placed = b.pad(placed, [0, 0, ...lead, 0, 0, ...lead.map(() => 0)]);
  placed = fit(
    b,
    placed,
    size.map((s, i) => s + lead[i]!),
    want,
  );
  const dilated = dilations.some((d) => d !== 1);
  // The product also prevents the runtime from fusing the Pad into the pool, which fails for pads wider than the
  // kernel.
  const scaled = b.mul(placed, b.scalar(elementCount(kernel)));
  return b.op('AveragePool', [scaled], {
    kernel_shape: ints(kernel),
    // An attribute of AveragePool since opset 19; older graphs cannot need it.
    ...(dilated && { dilations: ints(dilations) }),
  });
}

/** 1 / (AveragePool's divisor), [1,1,out...]; a plain number when all windows are alike. */
export function divisors(x: readonly number[], g: PoolGeometry, includePad: boolean): number | ReturnType<typeof f32> {
  const perAxis = g.out.map((count, i) =>
    Array.from({ length: count }, (_, o) => {
      const start = o * g.strides[i]! - g.begin[i]!;
      let n = 0;
      for (let t = 0; t < g.kernel[i]!; t++) {
        const at = start + t * g.dilations[i]!;
        const inside = at >= 0 && at < x[i + 2]!;
        // With ceil_mode, a window may extend beyond the declared padding; that part does not count.
        if (inside || (includePad && at >= -g.begin[i]! && at < x[i + 2]! + g.end[i]!)) n++;
      }
      return n;
    }),
  );
  let table = [1];
  for (const counts of perAxis) table = table.flatMap((n) => counts.map((c) => n * c));
  if (table.every((n) => n === table[0])) return 1 / table[0]!;
  return f32(
    table.map((n) => 1 / n),
    [1, 1, ...g.out],
  );
}
