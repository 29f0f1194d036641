import { describe, expect, it } from 'vitest';
import type { HostTensor } from '../executor.ts';
import { seededRandom } from '../random.ts';
import type { OutputMeaning } from '../../../shared/model/job.ts';
import type { Meanings } from './meaning.ts';
import { createQualityMeter } from './meter.ts';

const as = (name: string, reading: OutputMeaning['reading'], more: Partial<OutputMeaning> = {}): Meanings =>
  new Map([[name, { name, reading, source: 'given', why: '', ...more }]]);
const CLASSES = as('y', 'classes', { axis: 1 });
const NONE: Meanings = new Map();
import {
  argmax,
  decibels,
  difference,
  inTop,
  isDistribution,
  klDivergence,
  logProbabilities,
} from '../heads/support/metrics.ts';

const tensor = (dims: number[], values: ArrayLike<number>): HostTensor => ({
  dtype: 1,
  dims,
  data: Float32Array.from(values),
});
const normal = (n: number, seed: number): Float32Array =>
  Float32Array.from(
    { length: n },
    (
      (r) => () =>
        r.normal()
    )(seededRandom(seed)),
  );

describe('figures', () => {
  it('finds the largest, first on ties, never NaN', () => {
    expect(argmax([1, 3, 3, 2], 0, 4)).toBe(1);
    expect(argmax([NaN, -5, -7], 0, 3)).toBe(1);
    expect(argmax([NaN, NaN], 0, 2)).toBe(-1);
    expect(argmax([0, 9, 5, 1, 7, 2], 1, 2, 3)).toBe(0);
    expect([0, 1, 2, 3].map((l) => inTop([5, 5, 1, 9], 0, 4, l, 2))).toEqual([true, false, false, true]);
  });

  it('computes KL by hand, from logits and from probabilities alike', () => {
    const p = [0.5, 0.25, 0.25],
      q = [0.25, 0.5, 0.25];
    const byHand = 0.5 * Math.log(2) + 0.25 * Math.log(0.5);
    const kl = (a: number[], b: number[]): number => {
      const d = isDistribution(a, 0, 3);
      return klDivergence(logProbabilities(a, 0, 3, d), logProbabilities(b, 0, 3, d));
    };
    expect(kl(p, q)).toBeCloseTo(byHand, 10);
    const logits = (x: number[]): number[] => x.map((v) => Math.log(v) + 3);
    expect(isDistribution(logits(p), 0, 3)).toBe(false);
    expect(kl(logits(p), logits(q))).toBeCloseTo(byHand, 10);
  });

  it('computes noise, cosine terms and decibels', () => {
    const d = difference([3, 4, Infinity], [3, 5, 1]);
    expect(d).toMatchObject({ signal: 25, noise: 1, dot: 29, maxAbs: 1, min: 3, max: 4, nonFinite: 0 });
    expect(difference([1, 2], [NaN, 2]).nonFinite).toBe(1);
    expect([decibels(100, 1), decibels(1, 0)]).toEqual([20, null]);
  });
});

describe('meter', () => {
  it('counts accuracy, agreement and top-5 over batches of different size', () => {
    const m = createQualityMeter({ order: ['y'], meanings: CLASSES });
    const ref = tensor([3, 6], [9, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0]),
      out = tensor([3, 6], [9, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0, 0, 0, 0, 9, 5, 4, -1]);
    m.add({ y: ref }, { y: out }, 3, [0, 1, 5]);
    const one = tensor([1, 6], [0, 0, 0, 1, 0, 0]);
    m.add({ y: one }, { y: one }, 1, [3]);
    expect(m.result()).toMatchObject({ samples: 4, agreement: 0.75, top1: 0.5, top5: 0.75, maxAbs: 9 });
  });

  it('does not depend on how samples are batched', () => {
    const ref = normal(60 * 10, 1),
      out = ref.map((x, i) => x + 0.3 * normal(600, 2)[i]!),
      labels = Array.from({ length: 60 }, (_, i) => i % 10);
    const run = (size: number) => {
      const m = createQualityMeter({ order: ['y'], meanings: CLASSES });
      for (let at = 0; at < 60; at += size) {
        const part = (a: Float32Array): HostTensor => tensor([size, 10], a.subarray(at * 10, (at + size) * 10));
        m.add({ y: part(ref) }, { y: part(out) }, size, labels.slice(at, at + size));
      }
      return m.result();
    };
    const whole = run(60),
      parts = run(4);
    expect(whole.snrDb).toBeCloseTo(10 * Math.log10(1 / 0.09), 0);
    for (const [k, v] of Object.entries(whole))
      if (typeof v === 'number') expect(parts[k as 'samples']).toBeCloseTo(v, 9);
      else if (k !== 'outputs') expect(parts[k as 'samples']).toEqual(v);
  });

  it('weighs outputs equally, whatever their scale, and sees NaN', () => {
    const m = createQualityMeter({ order: ['big', 'small'], meanings: NONE });
    const big = tensor([1, 2, 2], [1000, 1000, 1000, 1000]),
      small = tensor([1, 2, 2], [0.001, 0.001, 0.001, 0.001]);
    m.add({ big, small }, { big, small: tensor([1, 2, 2], [0, 0, 0, 0]) }, 1);
    expect(m.result().snrDb).toBeCloseTo(10 * Math.log10(2), 6);
    const broken = createQualityMeter({ order: ['small'], meanings: NONE });
    broken.add({ small }, { small: tensor([1, 2, 2], [NaN, 1, 1, 1]) }, 1);
    expect(broken.result()).toMatchObject({ snrDb: -200, nonFinite: 1 });
  });

  it('compares segmentations per pixel in both layouts, and images by their peak', () => {
    const a = new Float32Array(2 * 8 * 8).fill(0),
      b = a.slice();
    for (let p = 0; p < 64; p++) {
      a[p] = 1;
      b[p < 16 ? 64 + p : p] = 1;
    }
    const m = createQualityMeter({ order: ['y'], meanings: as('y', 'map', { axis: 1 }) });
    m.add({ y: tensor([1, 2, 8, 8], a) }, { y: tensor([1, 2, 8, 8], b) }, 1);
    expect(m.result().pixels).toBe(0.75);
    const last = (x: Float32Array): Float32Array => x.map((_, i) => x[(i % 2) * 64 + (i >> 1)]!);
    const n = createQualityMeter({ order: ['y'], meanings: as('y', 'map', { axis: 3 }) });
    n.add({ y: tensor([1, 8, 8, 2], last(a)) }, { y: tensor([1, 8, 8, 2], last(b)) }, 1);
    expect(n.result().pixels).toBe(0.75);
    const image = createQualityMeter({ order: ['y'], meanings: as('y', 'image') });
    image.add(
      { y: tensor([1, 1, 8, 8], new Float32Array(64).fill(1)) },
      { y: tensor([1, 1, 8, 8], new Float32Array(64).fill(0.9)) },
      1,
    );
    expect(image.result().psnrDb).toBeCloseTo(20, 4);
    expect(image.result().agreement).toBeUndefined();
  });

  it.each([
    ['98', '42'],
    ['logits', 'embedding'],
  ])('judges classes by the first output of the graph: %s before %s', (logits, embedding) => {
    const scores = tensor([2, 3], [9, 0, 0, 0, 9, 0]);
    const numbers = tensor([2, 4], [0, 0, 0, 1, 0, 0, 0, 1]);
    const m = createQualityMeter({
      order: [logits, embedding],
      meanings: new Map([...as(logits, 'classes', { axis: 1 }), ...as(embedding, 'embedding')]),
    });
    const outputs = { [logits]: scores, [embedding]: numbers };
    m.add(outputs, outputs, 2, [0, 1]);
    expect(m.result()).toMatchObject({ top1: 1, agreement: 1 });
    expect(m.outputs().map((o) => o.name)).toEqual([logits, embedding]);
  });

  it('refuses a label that no class has', () => {
    const y = tensor([1, 2], [1, 0]);
    expect(() => createQualityMeter({ order: ['y'], meanings: CLASSES }).add({ y }, { y }, 1, [2])).toThrow(
      /label 2 of an output with 2 classes/,
    );
  });
});
