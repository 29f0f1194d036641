/**
 * Set predictions of detection transformers (DETR, Carion et al. 2020): scores [N, Q, C] and boxes [N, Q, 4] of Q
 * queries, with boxes as centre and size relative to the image. Queries keep their positions when a model is cut, so
 * distance and loss compare them one by one.
 */
import { relativeSquaredError } from '../../autodiff/losses.ts';
import type { GraphBuilder } from '../../autodiff/builder.ts';
import type { HostTensor } from '../../executor.ts';
import { int } from '../../ir/attribute.ts';
import { DType } from '../../ir/dtype.ts';
import type { Value } from '../../ir/value.ts';
import { FAINT, type Box } from './box.ts';
import { rowDistillation, rowDivergence } from './row-divergence.ts';

export interface SetLayout {
  readonly kind: 'set';
  readonly boxes: string;
  readonly logits: string;
  /** 'softmax': one class per query; the last one means no object. 'sigmoid': one decision per class. */
  readonly scores: 'softmax' | 'sigmoid';
}

type Outputs = Readonly<Record<string, HostTensor>>;

/** Names of the logits of queries. */
export const LOGITS = /(^|_)logits$/i;
const BOXES = /(^|_)boxes$/i;

/** The names of the logits and boxes of queries, by name and shape; null unless there is exactly one such pair. */
export function queryPair(
  outputs: readonly { readonly name: string; readonly dims: readonly number[]; readonly dtype: number }[],
): { readonly logits: string; readonly boxes: string } | null {
  const rank3 = outputs.filter((o) => o.dtype === DType.FLOAT && o.dims.length === 3);
  const boxes = rank3.filter((o) => BOXES.test(o.name) && o.dims[2] === 4);
  const logits = rank3.filter((o) => LOGITS.test(o.name) && o.dims[2]! >= 2);
  const [b, l] = [boxes[0], logits[0]];
  if (boxes.length !== 1 || logits.length !== 1 || !b || !l) return null;
  return b.dims[0] === l.dims[0] && b.dims[1] === l.dims[1] ? { logits: l.name, boxes: b.name } : null;
}

/** The layout by names, shapes and values. Boxes outside 0..1 have another meaning. */
export function setLayout(all: readonly (readonly [name: string, tensor: HostTensor])[]): SetLayout | null {
  const pair = queryPair(all.map(([name, t]) => ({ name, dims: t.dims, dtype: t.dtype })));
  if (!pair) return null;
  const tensors = new Map(all);
  const shares = tensors.get(pair.boxes)!.data as Float32Array;
  if (!shares.every((x) => x >= 0 && x <= 1)) return null;
  const t = tensors.get(pair.logits)!;
  return { kind: 'set', ...pair, scores: scoring(t.data as Float32Array, t.dims[2]!) };
}

/**
 * With a Sigmoid, a query without an object has only negative logits; with a Softmax, its last logit is the largest.
 */
function scoring(logits: Float32Array, classes: number): SetLayout['scores'] {
  const queries = logits.length / classes;
  let negative = 0;
  for (let q = 0; q < queries; q++) if (logits.subarray(q * classes, (q + 1) * classes).every((x) => x < 0)) negative++;
  return 2 * negative > queries ? 'sigmoid' : 'softmax';
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Probabilities of the object classes, [queries, objects]. */
function objectScores(logits: Float32Array, classes: number, scores: SetLayout['scores']): Float32Array[] {
  return Array.from({ length: logits.length / classes }, (_, q) => {
    const row = logits.subarray(q * classes, (q + 1) * classes);
    if (scores === 'sigmoid') return row.map(sigmoid);
    const max = row.reduce((a, b) => Math.max(a, b), -Infinity);
    const e = row.map((x) => Math.exp(x - max));
    const sum = e.reduce((a, b) => a + b, 0);
    return e.subarray(0, classes - 1).map((x) => x / sum);
  });
}

/** Boxes of every sample, relative to the image. Queries do not repeat each other, so none is suppressed. */
export function readSet(outputs: Outputs, layout: SetLayout): Box[][] {
  const logits = outputs[layout.logits]!;
  const xywh = outputs[layout.boxes]!.data as Float32Array;
  const [samples, queries, classes] = logits.dims as [number, number, number];
  const rows = objectScores(logits.data as Float32Array, classes, layout.scores);
  return Array.from({ length: samples }, (_, s) =>
    rows.slice(s * queries, (s + 1) * queries).flatMap((row, i) => {
      const label = row.reduce((best, x, k) => (x > row[best]! ? k : best), 0);
      const score = row[label]!;
      if (!(score >= FAINT)) return [];
      const [x, y, w, h] = xywh.subarray(4 * (s * queries + i)) as unknown as [number, number, number, number];
      return [{ x1: x - w / 2, y1: y - h / 2, x2: x + w / 2, y2: y + h / 2, score, label }];
    }),
  );
}

/**
 * Error of the scores plus the squared error of the boxes, weighted by the original's object score and relative to
 * their squares. Scores: KL divergence per query (Softmax), or the relative squared error of the probabilities
 * (Sigmoid).
 */
export function setDistance(reference: Outputs, layout: SetLayout): (other: Outputs) => number {
  const { logits, boxes, scores } = layout;
  const want = reference[logits]!.data as Float32Array;
  const classes = reference[logits]!.dims[2]!;
  const own = objectScores(want, classes, scores);
  const seen = own.map((row) => row.reduce((a, b) => Math.max(a, b), 0));
  const places = reference[boxes]!.data as Float32Array;
  const divergence = scores === 'softmax' ? rowDivergence(want, classes) : null;
  /** Squared error against other values, or against zero. */
  const placeError = (other: Float32Array | null): number =>
    places.reduce((sum, x, i) => sum + (seen[i >> 2]! * (x - (other?.[i] ?? 0))) ** 2, 0);
  const scoreError = (other: readonly Float32Array[] | null): number =>
    own.reduce((sum, row, q) => sum + row.reduce((e, x, k) => e + (x - (other?.[q]![k] ?? 0)) ** 2, 0), 0);
  const [power, scorePower] = [placeError(null), scoreError(null)];
  return (other) => {
    const got = other[logits]!.data as Float32Array;
    const errors = divergence ? divergence(got) : scoreError(objectScores(got, classes, scores)) / (scorePower || 1);
    return errors + placeError(other[boxes]!.data as Float32Array) / (power || 1);
  };
}

interface Side {
  readonly logits: Value;
  readonly boxes: Value;
}

/**
 * `setDistance` as a graph, with the divergence at a temperature.
 * @param shape of the logits, [N, Q, C]
 */
export function setLoss(
  b: GraphBuilder,
  own: Side,
  given: Side,
  shape: readonly number[],
  o: { readonly scores: SetLayout['scores']; readonly temperature: number },
): Value {
  const [n, queries, classes] = shape as [number, number, number];
  const objects = (v: Value): Value =>
    o.scores === 'sigmoid' ? b.op('Sigmoid', [v]) : b.slice(b.op('Softmax', [v], { axis: int(-1) }), [0], [classes - 1], [2]); // prettier-ignore
  const seen = b.reduceMax(objects(given.logits), [2], true);
  const placed = (v: Value): Value => b.mul(v, seen);
  const errors =
    o.scores === 'sigmoid'
      ? relativeSquaredError(b, objects(own.logits), objects(given.logits), shape)
      : rowDistillation(b, own.logits, given.logits, shape, o.temperature);
  return b.add(errors, relativeSquaredError(b, placed(own.boxes), placed(given.boxes), [n, queries, 4]));
}
