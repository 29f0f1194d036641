/** Gradients of selecting elements: selected positions receive the gradient, the others zero. */
import { int, str } from '../../ir/attribute.ts';
import { DType } from '../../ir/dtype.ts';
import { f32 } from '../../ir/tensor.ts';
import type { Value } from '../../ir/value.ts';
import type { GraphBuilder } from '../../autodiff/builder.ts';

/** Zeros of the given shape. */
export const zeros = (b: GraphBuilder, shape: readonly number[]): Value =>
  b.expand(
    b.tensor(
      f32(
        [0],
        shape.map(() => 1),
      ),
    ),
    shape,
  );

export interface Strided {
  readonly axis: number;
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** Scatters dY back to shape x, from which strided slices selected it. */
export function strideGradient(b: GraphBuilder, dY: Value, x: readonly number[], slices: readonly Strided[]): Value {
  const pads = x.map(() => [0, 0] as [number, number]);
  let g = dY;
  for (const s of slices) {
    if (s.count === 0) return zeros(b, x);
    if (s.step === 1) pads[s.axis] = [s.start, x[s.axis]! - s.start - s.count];
    else if (s.axis === x.length - 1 && s.count > 1 && s.count <= SPREAD_BY_PRODUCT)
      g = spreadLast(b, g, s, x[s.axis]!);
    else
      g = scatterAxis(
        b,
        g,
        s.axis,
        s.count,
        x[s.axis]!,
        Array.from({ length: s.count }, (_, i) => s.start + i * s.step),
      );
  }
  if (pads.every(([p, q]) => p === 0 && q === 0)) return g;
  return b.pad(g, [...pads.map((p) => p[0]), ...pads.map((p) => p[1])]);
}

/**
 * Up to this number of entries, a product with a 0/1 matrix spreads the last axis faster than copying elements does.
 */
const SPREAD_BY_PRODUCT = 64;

function spreadLast(b: GraphBuilder, g: Value, { start, step, count }: Strided, extent: number): Value {
  const where = new Float32Array(count * extent);
  for (let i = 0; i < count; i++) where[i * extent + start + i * step] = 1;
  return b.matmul(g, b.tensor(f32(where, [count, extent]), 'spread'));
}

/**
 * Gradient of taking indices along one axis: entry i of dY is added at indices[i] of an axis of `extent`. Repeated
 * indices need one Gather per repetition; positions that were not selected read an appended zero.
 */
export function scatterAxis(
  b: GraphBuilder,
  dY: Value,
  axis: number,
  count: number,
  extent: number,
  indices: readonly number[],
): Value {
  const takers: number[][] = Array.from({ length: extent }, () => []);
  indices.forEach((to, i) => takers[to]!.push(i));
  const repeats = Math.max(1, ...takers.map((t) => t.length));
  // Appends one zero along the axis. A Pad needs the rank, which the indices do not give; a slice times zero does not.
  const zero = b.mul(b.slice(dY, [0], [1], [axis]), b.scalar(0));
  const padded = b.concat([dY, zero], axis);
  let sum: Value | null = null;
  for (let r = 0; r < repeats; r++) {
    const part = b.gather(
      padded,
      takers.map((t) => t[r] ?? count),
      axis,
    );
    sum = sum ? b.add(sum, part) : part;
  }
  return sum!;
}

/** From this operator set on, ScatterElements can add updates at equal positions. */
const SCATTER_ADDS = 16;

/**
 * Gradient of taking elements along an axis at indices of the gradient's own shape. Values at equal positions are
 * added.
 * @param shape of the result
 * @throws Error where the operator set has no ScatterElements that adds
 */
export function scatterElements(
  b: GraphBuilder,
  dY: Value,
  indices: Value,
  axis: number,
  shape: readonly number[],
): Value {
  if (b.opset < SCATTER_ADDS) throw new Error(`adding up at places needs operator set ${SCATTER_ADDS}`);
  return b.op('ScatterElements', [zeros(b, shape), indices, dY], { axis: int(axis), reduction: str('add') });
}

/**
 * Gradient of taking rows of a table at indices known only at run time: row i of dY is added to the table's row
 * indices[i].
 * @param dY [m, width]
 * @param indices [m]; negative ones count from the end
 * @returns [rows, width]
 */
export function scatterRows(
  b: GraphBuilder,
  dY: Value,
  indices: Value,
  { m, rows, width }: { readonly m: number; readonly rows: number; readonly width: number },
): Value {
  if (b.opset >= SCATTER_ADDS) {
    const places = b.expand(b.reshape(indices, [m, 1]), [m, width]);
    return scatterElements(b, dY, places, 0, [rows, width]);
  }
  // In older versions, a product with a 0/1 matrix adds them up. Row numbers are exact in float32 below 2 ** 24.
  const given = b.cast(b.reshape(indices, [1, m]), DType.FLOAT);
  const wrapped = b.add(given, b.mul(b.maskFloat(b.less(given, b.scalar(0))), b.scalar(rows)));
  const each = b.tensor(f32(Array.from({ length: rows }, (_, i) => i), [rows, 1]), 'rows'); // prettier-ignore
  return b.matmul(b.maskFloat(b.equal(each, wrapped)), dY);
}
