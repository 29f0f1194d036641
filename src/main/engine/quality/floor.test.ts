import { describe, expect, it } from 'vitest';
import type { OutputMeaning, Quality } from '../../../shared/model/job.ts';
import type { HostTensor } from '../executor.ts';
import { judgeQuality } from './floor.ts';
import { ratioInterval, wilson } from '../heads/support/intervals.ts';
import { createQualityMeter } from './meter.ts';

const tensor = (dims: number[], values: ArrayLike<number>): HostTensor => ({
  dtype: 1,
  dims,
  data: Float32Array.from(values),
});
/** Quality of original and candidate on the same samples. */
function measured(
  how: Partial<OutputMeaning> & Pick<OutputMeaning, 'reading'>,
  ref: HostTensor,
  out: HostTensor,
  labels?: number[],
): [Quality, Quality] {
  const meanings = new Map([['y', { name: 'y', source: 'given', why: '', ...how } as OutputMeaning]]);
  const of = (x: HostTensor): Quality => {
    const m = createQualityMeter({ order: ['y'], meanings });
    m.add({ y: ref }, { y: x }, ref.dims[0]!, labels ?? null);
    return m.result();
  };
  return [of(ref), of(out)];
}
/** One row per class number. */
const rows = (classes: number[], width = 4): HostTensor =>
  tensor([classes.length, width], classes.flatMap((c) => Array.from({ length: width }, (_, k) => (k === c ? 9 : 0)))); // prettier-ignore
const cycle = (n: number): number[] => Array.from({ length: n }, (_, i) => i % 4);
const CLASSES = { reading: 'classes', axis: 1 } as const;

describe('intervals', () => {
  it('are those of Wilson', () => {
    expect(wilson(8, 10).low).toBeCloseTo(0.4902, 4);
    expect(wilson(8, 10).high).toBeCloseTo(0.9433, 4);
    expect(wilson(30, 30).low).toBeCloseTo(0.8865, 4);
    expect(wilson(0, 0)).toEqual({ low: 0, high: 1 });
  });
  it('count samples, not boxes', () => {
    const one = ratioInterval([90, 0], [100, 100]);
    expect(one.high - one.low).toBeGreaterThan(0.8);
    expect(ratioInterval([1, 1, 1], [1, 1, 1]).low).toBeCloseTo(wilson(3, 3).low, 9);
  });
});

describe('the floor', () => {
  it('accepts what agrees and refuses what is ruined', () => {
    const same = measured(CLASSES, rows(cycle(200)), rows(cycle(200)));
    expect(judgeQuality(...same)).toEqual({ reasons: [], warnings: [], ruined: false });
    const other = measured(CLASSES, rows(cycle(200)), rows(cycle(200).map((c) => (c < 2 ? 0 : c))));
    expect(judgeQuality(...other)).toMatchObject({ ruined: true, reasons: [expect.stringContaining('75.0 %')] });
    expect(judgeQuality(...other, { minAgreement: 0.7 }).reasons).toEqual([]);
  });

  it('looks at accuracy where there are labels', () => {
    const labels = cycle(200);
    const worse = rows(labels.map((c, i) => (i < 30 ? (c + 1) % 4 : c)));
    const q = measured(CLASSES, rows(labels), worse, labels);
    expect(judgeQuality(...q).reasons[0]).toMatch(/Top-1 fell from 100.0 % to 85.0 %/);
    expect(judgeQuality(...q, { maxDrop: 0.2 }).reasons).toEqual([]);
    // A result that is no worse may differ from the original.
    const wrong = measured(CLASSES, worse, rows(labels), labels);
    expect(judgeQuality(...wrong).reasons).toEqual([]);
  });

  it('does not accept an original that is no better than chance', () => {
    const labels = cycle(200).map((c) => (c + 1) % 4);
    const q = measured(CLASSES, rows(cycle(200)), rows(cycle(200)), labels);
    expect(judgeQuality(...q)).toMatchObject({ ruined: false, reasons: [expect.stringMatching(/check labels/)] });
  });

  it('warns of few samples and accepts nothing on fewer', () => {
    const few = measured(CLASSES, rows(cycle(40)), rows(cycle(40)));
    expect(judgeQuality(...few)).toMatchObject({ reasons: [], warnings: [expect.stringContaining('40 samples')] });
    const fewer = measured(CLASSES, rows(cycle(8)), rows(cycle(8)));
    expect(judgeQuality(...fewer)).toMatchObject({ ruined: false, reasons: [expect.stringContaining('8 samples')] });
    expect(judgeQuality(null, null).reasons[0]).toMatch(/not measured, because no data/);
  });

  it('is not kept by an output that never changes', () => {
    const mostly = Array.from({ length: 200 }, (_, i) => (i % 20 === 0 ? 1 : 0));
    const constant = measured(CLASSES, rows(mostly), rows(mostly.map(() => 0)));
    expect(constant[1].agreement).toBe(0.95);
    expect(judgeQuality(...constant).reasons[0]).toMatch(/a constant output/);
    const one = measured(CLASSES, rows(mostly.map(() => 0)), rows(mostly.map(() => 0)));
    expect(judgeQuality(...one).reasons[0]).toMatch(/same class for every sample/);
    // All embeddings share a direction, so a constant has a high cosine with each of them.
    const n = 60;
    const shared = tensor([n, 3], Array.from({ length: n }, (_, i) => [9, Math.cos(i), Math.sin(i)]).flat());
    const flat = tensor([n, 3], Array.from({ length: n }, () => [9, 0, 0]).flat());
    const cosine = measured({ reading: 'embedding' }, shared, flat);
    expect(cosine[1].agreement).toBeGreaterThan(0.99);
    expect(judgeQuality(...cosine).ruined).toBe(true);
    const mean = measured({ reading: 'numbers' }, shared, flat);
    expect(mean[1].agreement).toBeLessThan(0.1);
    expect(judgeQuality(...mean).ruined).toBe(true);
  });

  it('sees that a mask is gone', () => {
    const n = 40;
    // One pixel in 16 is text.
    const text = tensor(
      [n, 1, 8, 8],
      Array.from({ length: n * 64 }, (_, i) => ((i + (i >> 6)) % 16 === 0 ? 0.9 : 0.1)),
    );
    const gone = tensor(
      [n, 1, 8, 8],
      Array.from({ length: n * 64 }, () => 0.1),
    );
    const q = measured({ reading: 'map', threshold: 0.5 }, text, gone);
    expect(q[1]).toMatchObject({ agreement: 0, reading: 'map' });
    expect(q[1].pixels).toBeGreaterThan(0.9);
    expect(judgeQuality(...q).reasons[0]).toMatch(/F1 of the pixels/);
    expect(judgeQuality(...measured({ reading: 'map', threshold: 0.5 }, text, text)).reasons).toEqual([]);
  });

  it('never accepts NaN', () => {
    const broken = rows(cycle(200));
    (broken.data as Float32Array)[5] = NaN;
    const q = measured(CLASSES, rows(cycle(200)), broken);
    expect(judgeQuality(...q, { minAgreement: 0 }).reasons[0]).toMatch(/1 of 200 samples are NaN/);
  });
});
