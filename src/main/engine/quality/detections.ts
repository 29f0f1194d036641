/**
 * Detectors are compared by what they find, not by raw numbers: a box that moved by a pixel is the same box, and most
 * elements of a raw output are background. Reads the boxes off a model's outputs, suppresses duplicates, and matches
 * them one to one.
 */
import type { HostTensor } from '../executor.ts';
import { DType } from '../ir/dtype.ts';

export interface Box {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
  readonly score: number;
  readonly label: number;
}

/** How boxes lie in a model's outputs. */
export type BoxLayout =
  /** Boxes, scores and labels of one sample, as the model itself chose them. */
  | { readonly kind: 'chosen'; readonly boxes: string; readonly scores: string; readonly labels: string }
  /** [N, A, 5 + classes] (centre, size, objectness, class scores); `grid` where centre and size are relative to cells. */
  | { readonly kind: 'anchors'; readonly output: string; readonly grid: readonly number[] | null }
  /** [N, 4 + classes, A] (centre, size, class scores). */
  | { readonly kind: 'anchor-free'; readonly output: string };

type Outputs = Readonly<Record<string, HostTensor>>;

/** Fainter boxes are not told from background; boxes that overlap more are one; as COCO tools set them for a picture. */
const FAINT = 0.25;
const DUPLICATE = 0.45;
/** Overlap at which two boxes are the same find (PASCAL VOC, Everingham et al. 2010). */
const SAME = 0.5;
const STRIDES = [8, 16, 32, 64, 128];
/** Rows of fewer are taken for something else. */
const FEWEST_ANCHORS = 100;

/**
 * The layout, or null where outputs are no boxes that we know how to read.
 * @param picture height and width of the input, where it is a picture
 */
export function boxLayout(outputs: Outputs, picture: readonly [number, number] | null): BoxLayout | null {
  return chosenLayout(outputs) ?? (picture && rawLayout(outputs, picture));
}

function chosenLayout(outputs: Outputs): BoxLayout | null {
  const all = Object.entries(outputs);
  const integer = (t: HostTensor): boolean => t.dtype === DType.INT64 || t.dtype === DType.INT32;
  for (const [boxes, t] of all) {
    if (t.dtype !== DType.FLOAT || t.dims.length !== 2 || t.dims[1] !== 4) continue;
    const beside = all.filter(([, o]) => o.dims.length === 1 && o.dims[0] === t.dims[0]);
    const scores = beside.filter(([, o]) => o.dtype === DType.FLOAT);
    const labels = beside.filter(([, o]) => integer(o));
    if (scores.length === 1 && labels.length === 1)
      return { kind: 'chosen', boxes, scores: scores[0]![0], labels: labels[0]![0] };
  }
  return null;
}

function rawLayout(outputs: Outputs, [height, width]: readonly [number, number]): BoxLayout | null {
  const all = Object.entries(outputs);
  if (all.length !== 1) return null;
  const [output, t] = all[0]!;
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
  if (a >= FEWEST_ANCHORS && b >= 6 && b < a && share(4, b, rows, a)) {
    // Of a grid the centre is an offset within its cell and the size an exponent: both small. In pixels neither is.
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

/** Strides of the feature maps whose cells are the anchors, finest first; null where no such maps have so many cells. */
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

/** Boxes of every sample, without duplicates, the surest first. */
export function readBoxes(outputs: Outputs, layout: BoxLayout, picture: readonly [number, number] | null): Box[][] {
  if (layout.kind === 'chosen') {
    const [boxes, scores, labels] = [layout.boxes, layout.scores, layout.labels].map((name) => outputs[name]!);
    const xy = boxes!.data as Float32Array;
    const found = Array.from(scores!.data as Float32Array, (score, i) => ({
      x1: xy[4 * i]!,
      y1: xy[4 * i + 1]!,
      x2: xy[4 * i + 2]!,
      y2: xy[4 * i + 3]!,
      score,
      label: Number(labels!.data[i]),
    }));
    // The model has suppressed duplicates already.
    return [found.filter((b) => b.score >= FAINT)];
  }
  const t = outputs[layout.output]!;
  const data = t.data as Float32Array;
  const [n, d1, d2] = t.dims as [number, number, number];
  const free = layout.kind === 'anchor-free';
  const [anchors, width] = free ? [d2, d1] : [d1, d2];
  const first = free ? 4 : 5;
  const cells = layout.kind === 'anchors' && layout.grid && picture ? cellsOf(layout.grid, picture) : null;
  return Array.from({ length: n }, (_, s) => {
    const found: Box[] = [];
    for (let a = 0; a < anchors; a++) {
      const at = (k: number): number => data[free ? (s * width + k) * anchors + a : (s * anchors + a) * width + k]!;
      let label = 0;
      for (let k = first + 1; k < width; k++) if (at(k) > at(first + label)) label = k - first;
      const score = at(first + label) * (free ? 1 : at(4));
      if (!(score >= FAINT)) continue;
      const cell = cells?.[a];
      const [x, y, w, h] = cell
        ? [(at(0) + cell.x) * cell.stride, (at(1) + cell.y) * cell.stride, Math.exp(at(2)) * cell.stride, Math.exp(at(3)) * cell.stride] // prettier-ignore
        : [at(0), at(1), at(2), at(3)];
      found.push({ x1: x - w / 2, y1: y - h / 2, x2: x + w / 2, y2: y + h / 2, score, label });
    }
    return withoutDuplicates(found);
  });
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

/** Greedy suppression per class. */
function withoutDuplicates(boxes: readonly Box[]): Box[] {
  const kept: Box[] = [];
  for (const b of [...boxes].sort((p, q) => q.score - p.score))
    if (!kept.some((k) => k.label === b.label && overlap(k, b) > DUPLICATE)) kept.push(b);
  return kept;
}

/** Intersection over union. */
export function overlap(a: Box, b: Box): number {
  const w = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1);
  const h = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1);
  if (!(w > 0 && h > 0)) return 0;
  const area = (p: Box): number => (p.x2 - p.x1) * (p.y2 - p.y1);
  return (w * h) / (area(a) + area(b) - w * h);
}

/** Pairs of boxes of one class that overlap by half: each box once, the candidate's surest first. */
export function matchedBoxes(reference: readonly Box[], candidate: readonly Box[]): number {
  const free = new Set(reference);
  let pairs = 0;
  for (const c of [...candidate].sort((p, q) => q.score - p.score)) {
    let best: Box | null = null;
    for (const r of free)
      if (r.label === c.label && overlap(r, c) >= SAME && (!best || overlap(r, c) > overlap(best, c))) best = r;
    if (!best) continue;
    free.delete(best);
    pairs++;
  }
  return pairs;
}
