/** Raw anchors of a detector: their layout in one output, their boxes, distance and loss. */
import { relativeSquaredError, weightedSum } from '../../autodiff/losses.ts';
import type { GraphBuilder } from '../../autodiff/builder.ts';
import type { HostTensor } from '../../executor.ts';
import { DType } from '../../ir/dtype.ts';
import type { Value } from '../../ir/value.ts';
import { FAINT, withoutDuplicates, type Box } from './box.ts';
import { isDistribution } from './metrics.ts';

/** Layout of a raw output, which holds every anchor of every sample. */
export type AnchorLayout =
  /**
   * [N, A, 5 + classes] (centre, size, objectness, class scores). `grid` is set where centre and size are relative to
   * cells.
   */
  | { readonly kind: 'anchors'; readonly output: string; readonly grid: readonly number[] | null }
  /** [N, 4 + classes, A] (centre, size, class scores). */
  | { readonly kind: 'anchor-free'; readonly output: string };

const STRIDES = [8, 16, 32, 64, 128];
/** Fewer rows are not taken for anchors. */
const FEWEST_ANCHORS = 100;

/**
 * The layout of a model's only output; null where it does not hold anchors.
 * @param picture height and width of the input
 */
export function rawLayout(
  output: string,
  t: HostTensor,
  [height, width]: readonly [number, number],
): AnchorLayout | null {
  if (t.dtype !== DType.FLOAT || t.dims.length !== 3) return null;
  const data = t.data as Float32Array;
  const [, a, b] = t.dims as [number, number, number];
  const share = (from: number, to: number, at: (row: number, k: number) => number, rows: number): boolean => {
    for (let r = 0; r < rows; r++)
      for (let k = from; k < to; k++) {
        const v = data[at(r, k)]!;
        if (!(v >= 0 && v <= 1)) return false;
      }
    return true;
  };
  const rows = (r: number, k: number): number => r * b + k;
  // Rows that sum to one are class distributions without boxes.
  if (a >= FEWEST_ANCHORS && b >= 6 && b < a && share(4, b, rows, a) && !isDistribution(data, 0, b)) {
    // In grid form, the centre is an offset within its cell and the size an exponent, both small. In pixels, neither is
    // small.
    const strides = gridOf(a, height, width);
    let largest = 0;
    for (let r = 0; r < a; r++) for (let k = 0; k < 4; k++) largest = Math.max(largest, Math.abs(data[rows(r, k)]!));
    const pixels = largest > Math.max(height, width) / 4;
    return { kind: 'anchors', output, grid: strides && !pixels ? strides : null };
  }
  const columns = (r: number, k: number): number => k * b + r;
  if (b >= FEWEST_ANCHORS && a >= 5 && a < b && share(4, a, columns, b)) return { kind: 'anchor-free', output };
  return null;
}

/**
 * Strides of the feature maps whose cells are the anchors, finest first; null where no such maps have this many cells.
 */
function gridOf(anchors: number, height: number, width: number): number[] | null {
  for (let from = 0; from < STRIDES.length; from++) {
    let cells = 0;
    for (let to = from; to < STRIDES.length; to++) {
      const s = STRIDES[to]!;
      cells += Math.ceil(height / s) * Math.ceil(width / s);
      if (cells === anchors && to > from) return STRIDES.slice(from, to + 1);
    }
  }
  return null;
}

function cellsOf(strides: readonly number[], [height, width]: readonly [number, number]) {
  return strides.flatMap((stride) => {
    const [rows, columns] = [Math.ceil(height / stride), Math.ceil(width / stride)];
    return Array.from({ length: rows * columns }, (_, i) => ({
      stride,
      x: i % columns,
      y: Math.floor(i / columns),
    }));
  });
}

/** Boxes of every sample, without duplicates, highest score first. */
export function readAnchors(t: HostTensor, layout: AnchorLayout, picture: readonly [number, number] | null): Box[][] {
  const data = t.data as Float32Array;
  const { samples, anchors, width, first, at } = anchorsOf(t, layout);
  const cells = layout.kind === 'anchors' && layout.grid && picture ? cellsOf(layout.grid, picture) : null;
  return Array.from({ length: samples }, (_, s) => {
    const found: Box[] = [];
    for (let a = 0; a < anchors; a++) {
      const value = (k: number): number => data[at(s, a, k)]!;
      let label = 0;
      for (let k = first + 1; k < width; k++) if (value(k) > value(first + label)) label = k - first;
      const score = value(first + label) * (first === 5 ? value(4) : 1);
      if (!(score >= FAINT)) continue;
      const cell = cells?.[a];
      const [x, y, w, h] = cell
        ? [(value(0) + cell.x) * cell.stride, (value(1) + cell.y) * cell.stride, Math.exp(value(2)) * cell.stride, Math.exp(value(3)) * cell.stride] // prettier-ignore
        : [value(0), value(1), value(2), value(3)];
      found.push({ x1: x - w / 2, y1: y - h / 2, x2: x + w / 2, y2: y + h / 2, score, label });
    }
    return withoutDuplicates(found);
  });
}

/**
 * Layout of the anchors of a raw output: attributes are centre and size, objectness where `first` is 5, then classes.
 */
function anchorsOf(t: Pick<HostTensor, 'dims'>, layout: AnchorLayout) {
  const [samples, d1, d2] = t.dims as [number, number, number];
  if (layout.kind === 'anchors')
    return {
      samples,
      anchors: d1,
      width: d2,
      first: 5,
      at: (s: number, a: number, k: number) => (s * d1 + a) * d2 + k,
    };
  return { samples, anchors: d2, width: d1, first: 4, at: (s: number, a: number, k: number) => (s * d1 + k) * d2 + a };
}

/**
 * Distance of raw anchors from the given ones: the sum of the relative squared errors of objectness, of class scores,
 * and of boxes weighted by objectness. Nearly all anchors are background, whose boxes are meaningless.
 */
export function anchorDistance(want: HostTensor, layout: AnchorLayout): (have: HostTensor) => number {
  const { samples, anchors, width, first, at } = anchorsOf(want, layout);
  const a = want.data as Float32Array;
  // Error of the three parts; against zero, their power.
  const sums = (b: Float32Array | null): number[] => {
    const out = [0, 0, 0];
    for (let s = 0; s < samples; s++)
      for (let r = 0; r < anchors; r++) {
        const of = (x: Float32Array | null, k: number): number => (x ? x[at(s, r, k)]! : 0);
        const [p, q] = first === 5 ? [of(a, 4), of(b, 4)] : [1, 1];
        if (first === 5) out[0]! += (p - q) ** 2;
        let object = 0;
        for (let k = first; k < width; k++) {
          const x = p * of(a, k);
          object = Math.max(object, x);
          out[1]! += (x - q * of(b, k)) ** 2;
        }
        for (let k = 0; k < 4; k++) out[2]! += (object * (of(a, k) - of(b, k))) ** 2;
      }
    return out;
  };
  const power = sums(null);
  return (have) => sums(have.data as Float32Array).reduce((sum, e, i) => sum + (power[i]! > 0 ? e / power[i]! : 0), 0);
}

/**
 * The same as a graph: relative squared errors of objectness, of class scores, and of centre and size weighted by the
 * original's objectness.
 * @param shape [N, anchors, 5 + classes], or [N, 4 + classes, anchors] where `free`
 */
export function anchorLoss(
  b: GraphBuilder,
  output: Value,
  target: Value,
  shape: readonly number[],
  free: boolean,
): Value {
  const axis = free ? 1 : 2;
  const width = shape[axis]!;
  const first = free ? 4 : 5;
  const part = (v: Value, from: number, to: number): Value => b.slice(v, [from], [to], [axis]);
  const sized = (from: number, to: number): number[] => shape.map((d, i) => (i === axis ? to - from : d));
  const scores = (v: Value): Value => {
    const classes = part(v, first, width);
    return free ? classes : b.mul(classes, part(v, 4, 5));
  };
  const seen = b.reduceMax(scores(target), [axis], true);
  const boxes = (v: Value): Value => b.mul(part(v, 0, 4), seen);
  const terms = [
    relativeSquaredError(b, scores(output), scores(target), sized(first, width)),
    relativeSquaredError(b, boxes(output), boxes(target), sized(0, 4)),
    ...(free ? [] : [relativeSquaredError(b, part(output, 4, 5), part(target, 4, 5), sized(4, 5))]),
  ];
  return weightedSum(
    b,
    terms.map((loss) => ({ loss, weight: 1 })),
  );
}
