/**
 * Detectors are compared by what they find, not by raw numbers: a box that moved by a pixel is the same box, and most
 * elements of a raw output are background. Reads the boxes off a model's outputs, suppresses duplicates, and matches
 * them one to one.
 */
import { inOrder, type HostTensor } from '../../executor.ts';
import { DType } from '../../ir/dtype.ts';
import { isDistribution } from './metrics.ts';

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
 * @param order names of the outputs in the graph's order
 * @param picture height and width of the input, where it is a picture
 */
export function boxLayout(
  outputs: Outputs,
  order: readonly string[],
  picture: readonly [number, number] | null,
): BoxLayout | null {
  const all = inOrder(outputs, order);
  return chosenLayout(all) ?? (picture && rawLayout(all, picture));
}

type Named = ReturnType<typeof inOrder>;

function chosenLayout(all: Named): BoxLayout | null {
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

/** Height and width of a batch of pictures, whichever way their channels lie. */
export function pictureOf(dims: readonly number[] | undefined): readonly [number, number] | null {
  if (dims?.length !== 4) return null;
  const [, a, b, c] = dims as [number, number, number, number];
  return a <= 4 ? [b, c] : c <= 4 ? [a, b] : null;
}

function rawLayout(all: Named, [height, width]: readonly [number, number]): BoxLayout | null {
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
  // Rows that add up to one are classes of something, with no boxes before them.
  if (a >= FEWEST_ANCHORS && b >= 6 && b < a && share(4, b, rows, a) && !isDistribution(data, 0, b)) {
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

/** Raw layouts, whose output holds every anchor of every sample. */
export type AnchorLayout = Extract<BoxLayout, { readonly output: string }>;

/** How the anchors of a raw output lie: attributes are centre and size, objectness where `first` is 5, then classes. */
export function anchorsOf(t: Pick<HostTensor, 'dims'>, layout: AnchorLayout) {
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
 * Distance of raw anchors from the given ones: the relative squared errors of objectness, of the scores of classes, and of
 * boxes as far as there is an object, added up. Nearly all anchors are background, whose boxes mean nothing.
 */
export function anchorDistance(want: HostTensor, layout: AnchorLayout): (have: HostTensor) => number {
  const { samples, anchors, width, first, at } = anchorsOf(want, layout);
  const a = want.data as Float32Array;
  // Error and, against nothing, power of the three parts.
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
