/** Accumulates batches of a model's outputs against the original's into one Quality. */
import type { OutputReading, Quality } from '../../../shared/model/job.ts';
import type { OutputQuality } from '../../../shared/model/quality.ts';
import { inOrder, type HostTensor } from '../executor.ts';
import { DType } from '../ir/dtype.ts';
import { halfToNumber } from '../ir/tensor.ts';
import { boxLayout, matchedBoxes, readBoxes, type BoxLayout } from '../heads/support/detections.ts';
import { ratioInterval } from '../heads/support/intervals.ts';
import { judgeOf, type Figures, type Judge } from './judges.ts';
import { classesIn, type Meanings } from './meaning.ts';
import { decibels, difference } from '../heads/support/metrics.ts';

export type Outputs = Readonly<Record<string, HostTensor>>;

/** Float data as numbers; null for outputs that are not floats (indices, strings): those do not count. */
export function floats(t: HostTensor): Float32Array | Float64Array | null {
  if (t.dtype === DType.FLOAT16) return Float32Array.from(t.data as Uint16Array, halfToNumber);
  if (t.dtype === DType.FLOAT) return t.data as Float32Array;
  return t.dtype === DType.DOUBLE ? (t.data as Float64Array) : null;
}

/** Integers that name classes, as numbers. */
function indices(t: HostTensor): ArrayLike<number> | null {
  if (t.data instanceof BigInt64Array || t.data instanceof BigUint64Array) return Float64Array.from(t.data, Number);
  return ArrayBuffer.isView(t.data) ? (t.data as unknown as ArrayLike<number>) : null;
}

interface Totals {
  signal: number;
  noise: number;
  readonly judge: Judge;
}

export interface OutputFigures {
  readonly name: string;
  readonly kind: OutputReading;
  readonly snrDb: number | null;
}

export interface QualityMeter {
  /**
   * Adds a batch. All outputs have the batch as first axis (others count as one sample's); `labels` are class numbers of
   * the batch, used by the first output of classes. The original is measured by giving its outputs twice.
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
  /** Names of the outputs in the graph's order. */
  readonly order: readonly string[];
  /** How they are read; what is not in it are numbers. */
  readonly meanings: Meanings;
  /** Height and width of the input, where it is a picture: boxes of a detector lie in it. */
  readonly picture?: readonly [number, number] | null;
}

/**
 * Agreement and KL: Hinton et al. 2015 compare models the same way. SNR: outputs count equally, whatever their size:
 * -10 log10 of the mean of noise / signal.
 */
export function createQualityMeter({ order, meanings, picture = null }: MeterOptions): QualityMeter {
  const totals = new Map<string, Totals>();
  const detects = [...meanings.values()].some((m) => m.reading === 'boxes');
  const first = classesIn(meanings, order);
  const boxes: { found: number[]; matched: number[] } = { found: [], matched: [] };
  let samples = 0,
    cosine = 0,
    cosines = 0,
    maxAbs = 0,
    nonFinite = 0,
    layout: BoxLayout | null | undefined;

  const totalOf = (name: string): Totals => {
    const sum = totals.get(name) ?? { signal: 0, noise: 0, judge: judgeOf(meanings.get(name)) };
    totals.set(name, sum);
    return sum;
  };
  const addBoxes = (reference: Outputs, candidate: Outputs, none: boolean): void => {
    if (layout === undefined) layout = boxLayout(reference, order, picture);
    if (!layout) return;
    const [want, have] = [reference, candidate].map((o) => readBoxes(o, layout!, picture));
    for (const [i, list] of want!.entries()) {
      const own = none ? [] : have![i]!;
      boxes.matched.push(matchedBoxes(list, own));
      boxes.found.push((list.length + own.length) / 2);
    }
  };
  const figures = (): OutputQuality[] => {
    const read = order.flatMap((name): OutputQuality[] => {
      const reading = meanings.get(name)?.reading ?? 'numbers';
      const total = totals.get(name);
      return reading === 'boxes' || !total ? [] : [{ name, reading, ...total.judge.figures() }];
    });
    if (!detects || !layout) return read;
    const name = layout.kind === 'chosen' ? layout.boxes : layout.output;
    return [{ name, reading: 'boxes', ...boxFigures(boxes.found, boxes.matched) }, ...read];
  };

  return {
    add(reference, candidate, count, labels, { noBoxes = false } = {}) {
      samples += count;
      if (detects) addBoxes(reference, candidate, noBoxes);
      const broken = new Set<number>();
      for (const [name, t] of inOrder(reference, order)) {
        const other = candidate[name];
        const meaning = meanings.get(name);
        if (!other) continue;
        const [floating, also] = [floats(t), floats(other)];
        const named = meaning?.reading === 'classes' || meaning?.reading === 'map';
        const ref = floating ?? (named ? indices(t) : null);
        const out = also ?? (named ? indices(other) : null);
        if (!ref || !out) continue;
        if (ref.length !== out.length && layout?.kind === 'chosen') {
          // A detector that chooses its boxes gives as many as it finds: other counts are as far from it as nothing.
          const sum = totalOf(name);
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
        const sum = totalOf(name);
        for (let i = 0; i < rows && floating; i++) {
          const d = difference(ref, out, i * size, size);
          sum.signal += d.signal;
          sum.noise += d.noise;
          maxAbs = Math.max(maxAbs, d.maxAbs);
          if (d.nonFinite) broken.add(i);
          if (d.signal > 0 || d.other > 0) {
            // A sample that is zero on one side only has no direction: it counts as unlike.
            cosine += d.signal > 0 && d.other > 0 ? d.dot / Math.sqrt(d.signal * d.other) : 0;
            cosines++;
          }
        }
        if (batched) sum.judge.add({ ref, out, count, size, dims: t.dims, labels: name === first ? labels : null });
      }
      nonFinite += broken.size;
    },

    result() {
      if (!samples) return { samples: 0, snrDb: null };
      const all = [...totals.values()];
      // Noise without any signal would divide by zero: it is as bad as it gets.
      const ratio = (t: Totals): number => (t.noise === 0 ? 0 : t.noise / Math.max(t.signal, Number.MIN_VALUE));
      const mean = all.reduce((a, t) => a + ratio(t), 0) / Math.max(1, all.length);
      const outputs = figures();
      const primary = outputs.find((o) => o.reading === 'boxes' || o.name === first) ?? outputs.find((o) => o.agreement !== undefined); // prettier-ignore
      const images = outputs.filter((o) => o.reading === 'image');
      const extra = (first === undefined ? null : totals.get(first)?.judge.extra?.()) ?? {};
      const found = boxes.found.reduce((a, b) => a + b, 0);
      return {
        samples,
        ...(primary?.agreement !== undefined && { agreement: primary.agreement, reading: primary.reading }),
        ...(primary?.interval && { agreementInterval: primary.interval }),
        ...(primary?.pixels !== undefined && { pixels: primary.pixels }),
        ...(primary?.reading === 'boxes' && found > 0 && { boxes: found }),
        ...extra,
        snrDb: nonFinite ? -200 : decibels(1, mean),
        ...(cosines > 0 && { cosine: cosine / cosines }),
        maxAbs,
        ...(images.length === 1 && { psnrDb: images[0]!.psnrDb ?? null }),
        ...(nonFinite > 0 && { nonFinite }),
        outputs,
      };
    },

    outputs: () =>
      [...totals].map(([name, t]) => ({
        name,
        kind: meanings.get(name)?.reading ?? 'numbers',
        snrDb: decibels(t.signal, t.noise),
      })),
  };
}

/** F1 of one set of boxes against the other; nothing found on either side is no evidence. */
function boxFigures(found: readonly number[], matched: readonly number[]): Figures {
  const whole = found.reduce((a, b) => a + b, 0);
  const samples = found.length;
  if (!(whole > 0)) return { samples, unjudged: 'neither model finds a box' };
  return {
    samples,
    agreement: matched.reduce((a, b) => a + b, 0) / whole,
    interval: ratioInterval(matched, found),
  };
}
