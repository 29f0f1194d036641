/** Accumulates batches of a model's outputs against the original's into one Quality. */
import type { Quality } from '../../../shared/model/job.ts';
import { inOrder, type HostTensor } from '../executor.ts';
import { DType } from '../ir/dtype.ts';
import { halfToNumber } from '../ir/tensor.ts';
import { boxLayout, matchedBoxes, readBoxes, type BoxLayout } from './detections.ts';
import { argmax, decibels, difference, inTop, isDistribution, klDivergence, logProbabilities } from './metrics.ts';

export type Outputs = Readonly<Record<string, HostTensor>>;

/** How an output is read. 'classes': [N, C]; 'map': a class per pixel; 'image': 1 or 3 channels; else only as numbers. */
export type OutputKind = 'classes' | 'map' | 'image' | 'numbers';

export interface OutputView {
  readonly kind: OutputKind;
  /** Classes of 'classes' and 'map'. */
  readonly classes: number;
  /** Of 'map': elements between neighbouring classes of one pixel (1 when channels come last). */
  readonly last: boolean;
}

/** Reads the kind off a shape: class axes are those that are neither 1 nor 3 wide and narrower than the picture. */
export function outputView(dims: readonly number[]): OutputView {
  const numbers: OutputView = { kind: 'numbers', classes: 0, last: false };
  const squeezed = dims.length > 2 && dims.slice(2).every((d) => d === 1) ? dims.slice(0, 2) : dims; // [N, C, 1, 1]
  if (squeezed.length === 2)
    return squeezed[1]! >= 2 ? { kind: 'classes', classes: squeezed[1]!, last: true } : numbers;
  if (dims.length !== 4) return numbers;
  const [, a, b, c] = dims as [number, number, number, number];
  const picture = (x: number, y: number): boolean => Math.min(x, y) >= 8;
  if ((a === 1 || a === 3) && picture(b, c)) return { kind: 'image', classes: 0, last: false };
  if ((c === 1 || c === 3) && picture(a, b)) return { kind: 'image', classes: 0, last: true };
  if (a >= 2 && picture(b, c) && a < Math.min(b, c)) return { kind: 'map', classes: a, last: false };
  if (c >= 2 && picture(a, b) && c < Math.min(a, b)) return { kind: 'map', classes: c, last: true };
  return numbers;
}

/** Float data as numbers; null for outputs that are not floats (indices, strings): those do not count. */
export function floats(t: HostTensor): Float32Array | Float64Array | null {
  if (t.dtype === DType.FLOAT16) return Float32Array.from(t.data as Uint16Array, halfToNumber);
  if (t.dtype === DType.FLOAT) return t.data as Float32Array;
  return t.dtype === DType.DOUBLE ? (t.data as Float64Array) : null;
}

interface Totals {
  signal: number;
  noise: number;
  min: number;
  max: number;
  elements: number;
  view: OutputView;
}

export interface OutputFigures {
  readonly name: string;
  readonly kind: OutputKind;
  readonly snrDb: number | null;
}

export interface QualityMeter {
  /**
   * Adds a batch. All outputs have the batch as first axis (others count as one sample's); `labels` are class numbers of
   * the batch, used by the first output of kind 'classes'. The original is measured by giving its outputs twice.
   */
  add(
    reference: Outputs,
    candidate: Outputs,
    count: number,
    labels?: ArrayLike<number> | null,
    options?: AddOptions,
  ): void;
  result(): Quality;
  /** Per output. */
  outputs(): OutputFigures[];
}

export interface AddOptions {
  /** The candidate found no boxes in this batch: those among its outputs are not its own. */
  readonly noBoxes?: boolean;
}

export interface MeterOptions {
  /** Names of the outputs in the graph's order: the first that is read as classes or as a map gives the agreement. */
  readonly order: readonly string[];
  /** Height and width of the input, where it is a picture: boxes of a detector lie in it. */
  readonly picture?: readonly [number, number] | null;
}

/**
 * Agreement and KL: Hinton et al. 2015 compare models the same way. SNR: outputs count equally, whatever their size:
 * -10 log10 of the mean of noise / signal.
 */
export function createQualityMeter({ order, picture = null }: MeterOptions): QualityMeter {
  const totals = new Map<string, Totals>();
  let samples = 0,
    decided = 0,
    agree = 0,
    klSum = 0,
    klCount = 0,
    labelled = 0,
    top1 = 0,
    top5 = 0,
    hasTop5 = false,
    cosine = 0,
    cosines = 0,
    maxAbs = 0,
    nonFinite = 0,
    found = 0,
    matched = 0,
    layout: BoxLayout | null | undefined;

  const classes = (
    ref: ArrayLike<number>,
    out: ArrayLike<number>,
    n: number,
    c: number,
    labels?: ArrayLike<number> | null,
  ) => {
    for (let i = 0; i < n; i++) {
      const at = i * c,
        best = argmax(out, at, c);
      decided++;
      if (best >= 0 && best === argmax(ref, at, c)) agree++;
      const distribution = isDistribution(ref, at, c),
        kl = klDivergence(logProbabilities(ref, at, c, distribution), logProbabilities(out, at, c, distribution));
      if (Number.isFinite(kl)) {
        klSum += kl;
        klCount++;
      }
      const label = labels?.[i];
      if (label === undefined) continue;
      if (label >= c) throw new RangeError(`label ${label} of an output with ${c} classes`);
      labelled++;
      if (best === label) top1++;
      if (c > 5) {
        hasTop5 = true;
        if (inTop(out, at, c, label, 5)) top5++;
      }
    }
  };

  const map = (ref: ArrayLike<number>, out: ArrayLike<number>, n: number, size: number, v: OutputView): void => {
    const pixels = size / v.classes,
      stride = v.last ? 1 : pixels;
    for (let i = 0; i < n; i++) {
      let same = 0;
      for (let p = 0; p < pixels; p++) {
        const at = i * size + (v.last ? p * v.classes : p);
        const best = argmax(out, at, v.classes, stride);
        if (best >= 0 && best === argmax(ref, at, v.classes, stride)) same++;
      }
      agree += same / pixels;
      decided++;
    }
  };

  const totalOf = (name: string, t: HostTensor, batched: boolean): Totals => {
    const view = batched ? outputView(t.dims) : { kind: 'numbers' as const, classes: 0, last: false };
    const sum = totals.get(name) ?? { signal: 0, noise: 0, min: Infinity, max: -Infinity, elements: 0, view };
    totals.set(name, sum);
    return sum;
  };

  return {
    add(reference, candidate, count, labels, { noBoxes = false } = {}) {
      samples += count;
      if (layout === undefined) layout = boxLayout(reference, order, picture);
      if (layout) {
        const [want, have] = [reference, candidate].map((o) => readBoxes(o, layout!, picture));
        for (const [i, boxes] of want!.entries()) {
          const own = noBoxes ? [] : have![i]!;
          matched += matchedBoxes(boxes, own);
          found += (boxes.length + own.length) / 2;
        }
      }
      const broken = new Set<number>();
      let primary = false;
      for (const [name, t] of inOrder(reference, order)) {
        const other = candidate[name];
        const ref = floats(t),
          out = other ? floats(other) : null;
        if (!ref || !out) continue;
        if (ref.length !== out.length && layout?.kind === 'chosen') {
          // A detector that chooses its boxes gives as many as it finds: other counts are as far from it as nothing.
          const sum = totalOf(name, t, false);
          const power = difference(ref, new Float32Array(ref.length), 0, ref.length).signal;
          sum.signal += power;
          sum.noise += power;
          continue;
        }
        if (ref.length !== out.length)
          throw new RangeError(`output ${name} has ${out.length} elements, the original ${ref.length}`);
        const batched = t.dims[0] === count,
          rows = batched ? count : 1,
          size = ref.length / rows;
        const sum = totalOf(name, t, batched);
        const { view } = sum;
        for (let i = 0; i < rows; i++) {
          const d = difference(ref, out, i * size, size);
          sum.signal += d.signal;
          sum.noise += d.noise;
          sum.min = Math.min(sum.min, d.min);
          sum.max = Math.max(sum.max, d.max);
          sum.elements += size;
          maxAbs = Math.max(maxAbs, d.maxAbs);
          if (d.nonFinite) broken.add(i);
          if (d.signal > 0 || d.other > 0) {
            // A sample that is zero on one side only has no direction: it counts as unlike.
            cosine += d.signal > 0 && d.other > 0 ? d.dot / Math.sqrt(d.signal * d.other) : 0;
            cosines++;
          }
        }
        if (primary || !batched) continue;
        if (view.kind === 'classes') classes(ref, out, count, view.classes, labels);
        else if (view.kind === 'map') map(ref, out, count, size, view);
        else continue;
        primary = true;
      }
      nonFinite += broken.size;
    },

    result() {
      if (!samples) return { samples: 0, snrDb: null };
      const all = [...totals.values()];
      // Noise without any signal would divide by zero: it is as bad as it gets.
      const ratio = (t: Totals): number => (t.noise === 0 ? 0 : t.noise / Math.max(t.signal, Number.MIN_VALUE));
      const mean = all.reduce((a, t) => a + ratio(t), 0) / Math.max(1, all.length);
      const images = all.filter((t) => t.view.kind === 'image');
      const image = images.length === 1 ? images[0]! : null;
      const peak = image ? Math.max(image.max - Math.min(image.min, 0), Number.MIN_VALUE) : 0;
      return {
        samples,
        ...(layout ? boxAgreement(found, matched) : decided > 0 && { agreement: agree / decided }),
        ...(labelled > 0 && { top1: top1 / labelled }),
        ...(labelled > 0 && hasTop5 && { top5: top5 / labelled }),
        snrDb: nonFinite ? -200 : decibels(1, mean),
        ...(klCount > 0 && { kl: klSum / klCount }),
        ...(cosines > 0 && { cosine: cosine / cosines }),
        maxAbs,
        ...(image && { psnrDb: decibels(peak * peak, image.noise / image.elements) }),
        ...(nonFinite > 0 && { nonFinite }),
      };
    },

    outputs: () => [...totals].map(([name, t]) => ({ name, kind: t.view.kind, snrDb: decibels(t.signal, t.noise) })),
  };
}

/** F1 of one set of boxes against the other; nothing found on either side is no evidence. */
const boxAgreement = (found: number, matched: number) =>
  found > 0 ? { agreement: matched / found, boxes: found } : {};
