/** Accumulates batches of a model's outputs against the original's into one Quality. */
import type { OutputReading, Quality } from '../../../shared/model/job.ts';
import type { OutputQuality } from '../../../shared/model/quality.ts';
import { inOrder, type HostTensor } from '../executor.ts';
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
   * Adds a batch. All outputs have the batch as first axis (others count as one sample's). `labels` are class numbers
   * of the batch, used by the first output of classes. To measure the original, pass its outputs twice.
   */
  add(
    reference: Outputs,
    candidate: Outputs,
    count: number,
    labels?: ArrayLike<number> | null,
    options?: AddOptions,
  ): void;
  result(): Quality;
  /** Figures per output. */
  outputs(): OutputFigures[];
}

export interface AddOptions {
  /** The candidate found nothing in this batch: boxes in its outputs are not its own. */
  readonly noBoxes?: boolean;
}

export interface MeterOptions {
  /** Names of the outputs in the graph's order. */
  readonly order: readonly string[];
  /** Meanings of the outputs; outputs without an entry are read as numbers. */
  readonly meanings: Meanings;
  /** Height and width of the input, where it is an image: boxes of a detector refer to it. */
  readonly picture?: readonly [number, number] | null;
  /** Default: all heads. */
  readonly heads?: Heads;
}

/** Figures over all outputs. */
interface Overall {
  cosine: number;
  cosines: number;
  maxAbs: number;
}

interface Pair {
  readonly ref: ArrayLike<number>;
  readonly out: ArrayLike<number>;
  /** False for integers, which have no signal and noise. */
  readonly floating: boolean;
}

/**
 * Elements of both as numbers; null where they are not compared.
 * @param integers whether integers are compared
 */
function comparable(t: HostTensor, other: HostTensor, integers = false): Pair | null {
  const [floating, also] = [floats(t), floats(other)];
  const ref = floating ?? (integers ? indices(t) : null);
  const out = also ?? (integers ? indices(other) : null);
  return ref && out ? { ref, out, floating: floating !== null } : null;
}

/** @param broken collects the rows with non-finite values where the original's are finite */
function addRows(
  sum: Totals,
  { ref, out, rows, size }: Pick<Pair, 'ref' | 'out'> & { readonly rows: number; readonly size: number },
  over: Overall,
  broken: Set<number>,
): void {
  for (let i = 0; i < rows; i++) {
    const d = difference(ref, out, i * size, size);
    sum.signal += d.signal;
    sum.noise += d.noise;
    over.maxAbs = Math.max(over.maxAbs, d.maxAbs);
    if (d.nonFinite) broken.add(i);
    if (d.signal > 0 || d.other > 0) {
      // A sample that is zero on one side only has no direction, so its cosine counts as 0.
      over.cosine += d.signal > 0 && d.other > 0 ? d.dot / Math.sqrt(d.signal * d.other) : 0;
      over.cosines++;
    }
  }
}

/**
 * Agreement and KL: Hinton et al. 2015 compare models the same way. SNR: outputs count equally, whatever their size:
 * -10 log10 of the mean of noise / signal.
 */
export function createQualityMeter({ order, meanings, picture = null, heads = HEADS }: MeterOptions): QualityMeter {
  const totals = new Map<string, Totals>();
  const look = { order, meanings, picture };
  const first = classesIn(meanings, order);
  const over: Overall = { cosine: 0, cosines: 0, maxAbs: 0 };
  let samples = 0,
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
      // Outputs that are judged together have no separate figures.
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
        const pair = other && comparable(t, other, heads.of(meanings.get(name)?.reading).integers);
        if (!pair) continue;
        const { ref, out } = pair;
        const sum = totalOf(name);
        if (ref.length !== out.length) {
          if (!joint?.varies)
            throw new RangeError(`output ${name} has ${out.length} elements, the original ${ref.length}`);
          // A different number of boxes cannot be compared value by value, so it counts as zeros.
          const power = difference(ref, new Float32Array(ref.length), 0, ref.length).signal;
          sum.signal += power;
          sum.noise += power;
          continue;
        }
        const batched = t.dims[0] === count,
          rows = batched ? count : 1,
          size = ref.length / rows;
        if (pair.floating) addRows(sum, { ref, out, rows, size }, over, broken);
        if (batched) sum.judge.add({ ref, out, count, size, dims: t.dims, labels: name === first ? labels : null });
      }
      nonFinite += broken.size;
    },

    result() {
      if (!samples) return { samples: 0, snrDb: null };
      const all = [...totals.values()];
      // Noise without any signal would divide by zero, so it counts as the largest ratio.
      const ratio = (t: Totals): number => (t.noise === 0 ? 0 : t.noise / Math.max(t.signal, Number.MIN_VALUE));
      const mean = all.reduce((a, t) => a + ratio(t), 0) / Math.max(1, all.length);
      const outputs = figures();
      const named = joint ? outputs[0] : outputs.find((o) => o.name === first);
      const primary = named ?? outputs.find((o) => o.agreement !== undefined);
      const images = outputs.filter((o) => heads.of(o.reading).floor === 'psnrDb');
      const extra = (first === undefined ? null : totals.get(first)?.judge.extra?.()) ?? {};
      return {
        samples,
        ...(primary?.agreement !== undefined && { agreement: primary.agreement, reading: primary.reading }),
        ...(primary?.interval && { agreementInterval: primary.interval }),
        ...(primary?.pixels !== undefined && { pixels: primary.pixels }),
        ...together?.extra(),
        ...extra,
        snrDb: nonFinite ? -200 : decibels(1, mean),
        ...(over.cosines > 0 && { cosine: over.cosine / over.cosines }),
        maxAbs: over.maxAbs,
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
