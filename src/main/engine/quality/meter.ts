/** Accumulates batches of a model's outputs against the original's into one Quality. */
import type { OutputReading, Quality } from '../../../shared/model/job.ts';
import type { OutputQuality } from '../../../shared/model/quality.ts';
import { inOrder } from '../executor.ts';
import type { Joint, Judge, JointJudge, Meanings, Outputs } from '../heads/contract.ts';
import { HEADS, type Heads } from '../heads/registry.ts';
import { decibels, difference } from '../heads/support/metrics.ts';
import { floats, indices } from '../heads/support/values.ts';
import { jointOf } from './joint.ts';
import { classesIn } from './meaning.ts';

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
  /** The candidate found nothing in this batch: boxes among its outputs are not its own. */
  readonly noBoxes?: boolean;
}

export interface MeterOptions {
  /** Names of the outputs in the graph's order. */
  readonly order: readonly string[];
  /** How they are read; what is not in it are numbers. */
  readonly meanings: Meanings;
  /** Height and width of the input, where it is a picture: boxes of a detector lie in it. */
  readonly picture?: readonly [number, number] | null;
  /** Default: all. */
  readonly heads?: Heads;
}

/**
 * Agreement and KL: Hinton et al. 2015 compare models the same way. SNR: outputs count equally, whatever their size:
 * -10 log10 of the mean of noise / signal.
 */
export function createQualityMeter({ order, meanings, picture = null, heads = HEADS }: MeterOptions): QualityMeter {
  const totals = new Map<string, Totals>();
  const look = { order, meanings, picture };
  const first = classesIn(meanings, order);
  let samples = 0,
    cosine = 0,
    cosines = 0,
    maxAbs = 0,
    nonFinite = 0,
    joint: Joint | null | undefined,
    together: JointJudge | null = null;

  const totalOf = (name: string): Totals => {
    const meaning = meanings.get(name);
    const sum = totals.get(name) ?? { signal: 0, noise: 0, judge: heads.of(meaning?.reading).judge(meaning) };
    totals.set(name, sum);
    return sum;
  };
  const figures = (): OutputQuality[] => {
    const read = order.flatMap((name): OutputQuality[] => {
      const reading = meanings.get(name)?.reading ?? 'numbers';
      const total = totals.get(name);
      // Outputs that are judged together have no figures of their own.
      return heads.of(reading).together || !total ? [] : [{ name, reading, ...total.judge.figures() }];
    });
    if (!joint || !together) return read;
    return [{ name: joint.names[0], reading: joint.reading, ...together.figures() }, ...read];
  };

  return {
    add(reference, candidate, count, labels, { noBoxes = false } = {}) {
      samples += count;
      if (joint === undefined) {
        joint = jointOf(reference, look, heads);
        together = joint?.judge() ?? null;
      }
      together?.add(reference, candidate, { nothing: noBoxes });
      const broken = new Set<number>();
      for (const [name, t] of inOrder(reference, order)) {
        const other = candidate[name];
        const meaning = meanings.get(name);
        if (!other) continue;
        const [floating, also] = [floats(t), floats(other)];
        const named = heads.of(meaning?.reading).integers;
        const ref = floating ?? (named ? indices(t) : null);
        const out = also ?? (named ? indices(other) : null);
        if (!ref || !out) continue;
        if (ref.length !== out.length && joint?.varies) {
          // Another number of boxes cannot be compared value by value: it counts as zeros.
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
      const named = joint ? outputs[0] : outputs.find((o) => o.name === first);
      const primary = named ?? outputs.find((o) => o.agreement !== undefined);
      const images = outputs.filter((o) => o.reading === 'image');
      const extra = (first === undefined ? null : totals.get(first)?.judge.extra?.()) ?? {};
      return {
        samples,
        ...(primary?.agreement !== undefined && { agreement: primary.agreement, reading: primary.reading }),
        ...(primary?.interval && { agreementInterval: primary.interval }),
        ...(primary?.pixels !== undefined && { pixels: primary.pixels }),
        ...together?.extra(),
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
