/** One judge per reading: takes an output of the original and of the candidate batch by batch, and gives its figures. */
import type { OutputMeaning } from '../../../shared/model/job.ts';
import type { OutputQuality } from '../../../shared/model/quality.ts';
import { meanInterval, ratioInterval, wilson } from '../heads/support/intervals.ts';
import { argmax, decibels, difference, inTop, isDistribution, klDivergence, logProbabilities } from '../heads/support/metrics.ts';

export interface Rows {
  readonly ref: ArrayLike<number>;
  readonly out: ArrayLike<number>;
  /** Samples, and elements of each. */
  readonly count: number;
  readonly size: number;
  /** Sizes of the output. */
  readonly dims: readonly number[];
  readonly labels?: ArrayLike<number> | null | undefined;
}

/** Figures that stand in `Quality` beside those of the output. */
export interface Extra {
  readonly top1?: number;
  readonly top1Interval?: OutputQuality['interval'];
  readonly top5?: number;
  readonly kl?: number;
  readonly pixels?: number;
}
export type Figures = Omit<OutputQuality, 'name' | 'reading'>;

export interface Judge {
  add(rows: Rows): void;
  figures(): Figures;
  extra?(): Extra;
}

export function judgeOf(m: OutputMeaning | undefined): Judge {
  switch (m?.reading) {
    case 'classes':
      return m.threshold !== undefined ? decisions(m.threshold) : classes(m.axis !== undefined);
    case 'map':
      return maps(m);
    case 'image':
      return images();
    case 'embedding':
      return embeddings();
    default:
      return numbers();
  }
}

/** Rows of a `share` are `all` alike: agreement on them proves nothing. */
const CONSTANT = 1 - 1e-9;

/** One class per sample. @param scored false: the output names the class (ArgMax) */
function classes(scored: boolean): Judge {
  let [n, agree, klSum, klCount, labelled, top1, top5] = [0, 0, 0, 0, 0, 0, 0];
  let hasTop5 = false;
  const [seen, told] = [new Map<number, number>(), new Map<number, number>()];
  return {
    add({ ref, out, count, size, labels }) {
      for (let i = 0; i < count; i++) {
        const at = i * size;
        const best = scored ? argmax(out, at, size) : out[at]!;
        const wanted = scored ? argmax(ref, at, size) : ref[at]!;
        n++;
        seen.set(wanted, (seen.get(wanted) ?? 0) + 1);
        if (best >= 0 && best === wanted) agree++;
        if (scored) {
          const distribution = isDistribution(ref, at, size);
          const logs = (x: ArrayLike<number>) => logProbabilities(x, at, size, distribution);
          const kl = klDivergence(logs(ref), logs(out));
          if (Number.isFinite(kl)) {
            klSum += kl;
            klCount++;
          }
        }
        const label = labels?.[i];
        if (label === undefined) continue;
        if (scored && label >= size) throw new RangeError(`label ${label} of an output with ${size} classes`);
        labelled++;
        told.set(label, (told.get(label) ?? 0) + 1);
        if (best === label) top1++;
        if (scored && size > 5) {
          hasTop5 = true;
          if (inTop(out, at, size, label, 5)) top5++;
        }
      }
    },
    figures: () => ({ ...shares(n, agree, seen), ...labelChance(told, labelled) }),
    extra: () => ({
      ...(labelled > 0 && { top1: top1 / labelled, top1Interval: wilson(top1, labelled) }),
      ...(labelled > 0 && hasTop5 && { top5: top5 / labelled }),
      ...(klCount > 0 && { kl: klSum / klCount }),
    }),
  };
}

/** What one who always says the most frequent label gets. */
const labelChance = (told: ReadonlyMap<number, number>, labelled: number): Pick<Figures, 'labelChance'> =>
  labelled > 0 ? { labelChance: Math.max(...told.values()) / labelled } : {};

function shares(n: number, agree: number, seen: ReadonlyMap<number, number>): Figures {
  if (n === 0) return { samples: 0 };
  const chance = Math.max(...seen.values()) / n;
  return {
    samples: n,
    agreement: agree / n,
    interval: wilson(agree, n),
    chance,
    ...(chance > CONSTANT && { unjudged: 'the original gives the same class for every sample' }),
  };
}

/** Each value is a yes or no. One value: a class of two. Several: F1 of what is a yes. */
function decisions(threshold: number): Judge {
  let [n, agree, labelled, top1] = [0, 0, 0, 0];
  const [seen, told] = [new Map<number, number>(), new Map<number, number>()];
  const f1 = f1Of();
  let single = true;
  return {
    add({ ref, out, count, size, labels }) {
      single = size === 1;
      for (let i = 0; i < count; i++) {
        n++;
        if (!single) {
          f1.sample();
          for (let k = i * size; k < (i + 1) * size; k++) f1.add(ref[k]! > threshold, out[k]! > threshold);
          continue;
        }
        const [wanted, got] = [Number(ref[i]! > threshold), out[i]! > threshold ? 1 : 0];
        seen.set(wanted, (seen.get(wanted) ?? 0) + 1);
        if (got === wanted) agree++;
        const label = labels?.[i];
        if (label === undefined) continue;
        if (label > 1) throw new RangeError(`label ${label} of an output with 2 classes`);
        labelled++;
        told.set(label, (told.get(label) ?? 0) + 1);
        if (label === got) top1++;
      }
    },
    figures: () =>
      single
        ? { ...shares(n, agree, seen), ...labelChance(told, labelled) }
        : f1.figures('the original says no to everything'),
    extra: () => (labelled > 0 ? { top1: top1 / labelled, top1Interval: wilson(top1, labelled) } : {}),
  };
}

/** F1 over decisions, with its interval from the spread between samples. */
function f1Of() {
  const parts: number[] = [];
  const wholes: number[] = [];
  return {
    sample(): void {
      parts.push(0);
      wholes.push(0);
    },
    add(wanted: boolean, got: boolean): void {
      const at = parts.length - 1;
      if (wanted && got) parts[at]! += 2;
      if (wanted) wholes[at]!++;
      if (got) wholes[at]!++;
    },
    figures(nothing: string): Figures {
      const whole = wholes.reduce((a, b) => a + b, 0);
      const samples = parts.length;
      if (whole === 0) return { samples, unjudged: nothing };
      const f1 = parts.reduce((a, b) => a + b, 0) / whole;
      return { samples, agreement: f1, interval: ratioInterval(parts, wholes), iou: f1 / (2 - f1) };
    },
  };
}

/** Share of the pixels from which a class counts: F1 of a handful of pixels is noise. */
const LEAST_SHARE = 1e-3;

/** A class per position: mean F1 of the classes that the original sees; of masks F1 of what is in them. */
function maps(m: OutputMeaning): Judge {
  const masks = f1Of();
  const parts: number[] = [];
  const wholes: number[] = [];
  const counts = new Map<number, { both: number; wanted: number; got: number }>();
  const of = (c: number) => {
    let x = counts.get(c);
    if (!x) counts.set(c, (x = { both: 0, wanted: 0, got: 0 }));
    return x;
  };
  let [samples, same, pixels] = [0, 0, 0];
  const { threshold, axis } = m;
  const classesAt = (dims: readonly number[], size: number): ((x: ArrayLike<number>, at: number) => Int32Array) => {
    const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);
    if (axis === undefined) return (x, at) => Int32Array.from({ length: size }, (_, i) => x[at + i]!);
    const [outer, n, inner] = [product(dims.slice(1, axis)), dims[axis]!, product(dims.slice(axis + 1))];
    return (x, at) => {
      const found = new Int32Array(outer * inner);
      for (let o = 0; o < outer; o++)
        for (let i = 0; i < inner; i++) found[o * inner + i] = argmax(x, at + o * n * inner + i, n, inner);
      return found;
    };
  };
  return {
    add({ ref, out, count, size, dims }) {
      for (let i = 0; i < count; i++) {
        samples++;
        let equal = 0;
        if (threshold !== undefined) {
          masks.sample();
          for (let k = i * size; k < (i + 1) * size; k++) {
            const [wanted, got] = [ref[k]! > threshold, out[k]! > threshold];
            masks.add(wanted, got);
            if (wanted === got && !Number.isNaN(out[k])) equal++;
          }
          same += equal / size;
          pixels += size;
          continue;
        }
        const read = classesAt(dims, size);
        const [wanted, got] = [read(ref, i * size), read(out, i * size)];
        for (let p = 0; p < wanted.length; p++) {
          of(wanted[p]!).wanted++;
          of(got[p]!).got++;
          if (wanted[p] !== got[p] || got[p]! < 0) continue;
          of(wanted[p]!).both++;
          equal++;
        }
        parts.push(equal);
        wholes.push(wanted.length);
        same += equal / wanted.length;
        pixels += wanted.length;
      }
    },
    figures() {
      const agreed = samples ? { pixels: same / samples } : {};
      if (threshold !== undefined) return { ...agreed, ...masks.figures('the original’s mask is empty everywhere') };
      const present = [...counts.values()].filter((c) => c.wanted >= LEAST_SHARE * pixels);
      if (present.length === 0) return { samples };
      const f1 = present.reduce((a, c) => a + (2 * c.both) / (c.wanted + c.got), 0) / present.length;
      const iou = present.reduce((a, c) => a + c.both / (c.wanted + c.got - c.both), 0) / present.length;
      // As wide as that of the pixels: classes differ in how often they are seen, not in which samples were drawn.
      const around = ratioInterval(parts, wholes);
      const half = (around.high - around.low) / 2;
      const one = present.length === 1 && { unjudged: 'the original sees one class everywhere' };
      const interval = { low: Math.max(0, f1 - half), high: Math.min(1, f1 + half) };
      return { samples, ...agreed, agreement: f1, iou, interval, ...one };
    },
    extra: () => (samples ? { pixels: same / samples } : {}),
  };
}

/** Peak of the original's values, from 0 or from below where there are negative ones. */
function images(): Judge {
  let [samples, noise, elements, min, max] = [0, 0, 0, Infinity, -Infinity];
  return {
    add({ ref, out, count, size }) {
      samples += count;
      const d = difference(ref, out, 0, count * size);
      noise += d.noise;
      elements += count * size;
      min = Math.min(min, d.min);
      max = Math.max(max, d.max);
    },
    figures() {
      const peak = Math.max(max - Math.min(min, 0), Number.MIN_VALUE);
      return { samples, psnrDb: elements ? decibels(peak * peak, noise / elements) : null };
    },
  };
}

/** Only the direction counts. */
function embeddings(): Judge {
  const cosines: number[] = [];
  let mean: Float64Array | null = null;
  return {
    add({ ref, out, count, size }) {
      mean ??= new Float64Array(size);
      for (let i = 0; i < count; i++) {
        const d = difference(ref, out, i * size, size);
        cosines.push(d.signal > 0 && d.other > 0 && !d.nonFinite ? d.dot / Math.sqrt(d.signal * d.other) : 0);
        const length = Math.sqrt(d.signal) || 1;
        for (let k = 0; k < Math.min(size, mean.length); k++) mean[k]! += (ref[i * size + k]! || 0) / length;
      }
    },
    figures() {
      const samples = cosines.length;
      if (!samples) return { samples };
      // The cosine of every sample with the direction that all have in common.
      const chance = Math.min(1, Math.sqrt(Array.from(mean ?? []).reduce((a, x) => a + x * x, 0)) / samples);
      const agreement = cosines.reduce((a, b) => a + b, 0) / samples;
      const same = samples > 1 &&
        chance > 1 - 1e-7 && { unjudged: 'the original’s direction is the same for every sample' };
      return { samples, agreement, worst: Math.min(...cosines), chance, interval: meanInterval(cosines), ...same };
    },
  };
}

/** Outputs with more elements share one mean. */
const OWN_MEANS = 2 ** 20;

/** Share of the variance over the samples that is explained: 0 for one who always says the mean. */
function numbers(): Judge {
  const noises: number[] = [];
  let sums: Float64Array | null = null;
  let [signal, squares, total, elements] = [0, 0, 0, 0];
  return {
    add({ ref, out, count, size }) {
      sums ??= new Float64Array(size <= OWN_MEANS ? size : 1);
      for (let i = 0; i < count; i++) {
        const d = difference(ref, out, i * size, size);
        signal += d.signal;
        noises.push(d.noise);
        for (let k = 0; k < size; k++) {
          const x = ref[i * size + k]!;
          if (!Number.isFinite(x)) continue;
          squares += x * x;
          total += x;
          elements++;
          if (sums.length === size) sums[k]! += x;
        }
      }
    },
    figures() {
      const samples = noises.length;
      if (!samples || !sums) return { samples };
      const noise = noises.reduce((a, b) => a + b, 0);
      const relativeError = Math.sqrt(noise / Math.max(signal, Number.MIN_VALUE));
      const own = sums.length > 1 || elements === samples;
      const variance = own
        ? squares - sums.reduce((a, x) => a + (x * x) / samples, 0)
        : squares - total ** 2 / elements;
      if (samples < 2 || variance <= 1e-9 * squares)
        return { samples, relativeError, unjudged: 'the original gives the same numbers for every sample' };
      const r2 = 1 - noise / variance;
      const clipped = (x: number): number => Math.min(1, Math.max(0, x));
      // The noise's own spread; a share above 1 is no variance explained at all.
      const at = (side: 1 | -1): number => clipped(1 - spreadOf(noises, variance, side));
      return { samples, agreement: clipped(r2), relativeError, interval: { low: at(1), high: at(-1) } };
    },
  };
}

/** Unexplained share of the variance, with two standard errors of the noise on one side. */
function spreadOf(noises: readonly number[], variance: number, side: 1 | -1): number {
  const n = noises.length;
  const mean = noises.reduce((a, b) => a + b, 0) / n;
  const sd = Math.sqrt(noises.reduce((a, x) => a + (x - mean) ** 2, 0) / Math.max(1, n - 1));
  return (n * (mean + (side * 1.96 * sd) / Math.sqrt(n))) / variance;
}
