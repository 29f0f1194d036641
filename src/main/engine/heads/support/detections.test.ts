import { describe, expect, it } from 'vitest';
import type { HostTensor } from '../../executor.ts';
import { DType } from '../../ir/dtype.ts';
import { matchedBoxes, overlap, type Box } from './box.ts';
import { boxLayout, readBoxes } from './detections.ts';
import type { Meanings } from '../../quality/meaning.ts';
import { createQualityMeter } from '../../quality/meter.ts';

const float = (dims: number[], data: ArrayLike<number>): HostTensor => ({
  dtype: DType.FLOAT,
  dims,
  data: Float32Array.from(data),
});
const box = (x1: number, y1: number, x2: number, y2: number, label = 0, score = 0.9): Box => ({
  x1,
  y1,
  x2,
  y2,
  label,
  score,
});

/** Anchors of a 64x64 image at strides 8, 16 and 32: 64 + 16 + 4. A row is centre, size, objectness, two classes. */
function anchors(set: Record<number, number[]>, n = 1): HostTensor {
  const data = new Float32Array(n * 84 * 7);
  for (const [a, row] of Object.entries(set)) data.set(row, Number(a) * 7);
  return float([n, 84, 7], data);
}
/** The same for a 128x128 image, which has enough anchors to be recognised: 256 + 64 + 16. */
function many(rows: Record<number, number[]>): HostTensor {
  const data = new Float32Array(336 * 7);
  for (const [a, row] of Object.entries(rows)) data.set(row, Number(a) * 7);
  return float([1, 336, 7], data);
}
const PICTURE = [128, 128] as const;

describe('boxes', () => {
  it('overlap as areas do', () => {
    expect(overlap(box(0, 0, 2, 2), box(1, 0, 3, 2))).toBeCloseTo(1 / 3, 12);
    expect(overlap(box(0, 0, 1, 1), box(1, 0, 2, 1))).toBe(0);
    expect(overlap(box(0, 0, 4, 4), box(0, 0, 4, 4))).toBe(1);
  });

  it('are matched one to one, within a class', () => {
    const a = box(0, 0, 10, 10);
    expect(matchedBoxes([a], [box(1, 0, 11, 10), box(0, 1, 10, 11)])).toBe(1);
    expect(matchedBoxes([a], [box(0, 0, 10, 10, 1)])).toBe(0);
    expect(matchedBoxes([a], [box(6, 0, 16, 10)])).toBe(0);
    expect(matchedBoxes([a, box(20, 20, 30, 30)], [box(20, 21, 30, 31), box(0, 0, 10, 10)])).toBe(2);
    expect(matchedBoxes([], [a])).toBe(0);
  });

  it('are read from grid cells: offsets within a cell, sizes as exponents, duplicates once', () => {
    // Anchor 0 is cell (0, 0) of stride 8; 256 + 9 is cell (x 1, y 1) of stride 16.
    const out = { y: many({ 0: [0.5, 0.25, 0, 1, 0.8, 0.1, 0.9], 1: [-0.5, 0.25, 0, 1, 0.7, 0.1, 0.9], 265: [0, 0, Math.log(2), 0, 1, 0.6, 0.2] }) }; // prettier-ignore
    const layout = boxLayout(out, Object.keys(out), PICTURE)!;
    expect(layout).toEqual({ kind: 'anchors', output: 'y', grid: [8, 16, 32] });
    const [boxes] = readBoxes(out, layout, PICTURE);
    expect(boxes).toHaveLength(2);
    const [first, second] = boxes as [Box, Box];
    expect(first.label).toBe(1);
    expect(first.score).toBeCloseTo(0.72, 5);
    expect([first.x1, first.y1, first.x2, first.y2]).toEqual([0, 2 - 4 * Math.E, 8, 2 + 4 * Math.E].map((v) => expect.closeTo(v, 4))); // prettier-ignore
    expect([second.x1, second.y1, second.x2, second.y2]).toEqual([0, 8, 32, 24].map((v) => expect.closeTo(v, 4)));
  });

  it('are read from pixels, with and without objectness', () => {
    const pixels = { y: many({ 3: [64, 32, 20, 10, 0.9, 0.1, 1] }) };
    expect(boxLayout(pixels, Object.keys(pixels), PICTURE)).toEqual({ kind: 'anchors', output: 'y', grid: null });
    expect(readBoxes(pixels, boxLayout(pixels, Object.keys(pixels), PICTURE)!, PICTURE)[0]).toEqual([
      expect.objectContaining({ x1: 54, y1: 27, x2: 74, y2: 37, label: 1 }),
    ]);
    // [N, 4 + classes, A]: attributes first.
    const data = new Float32Array(6 * 336);
    [64, 32, 20, 10, 0.3, 0.8].forEach((v, k) => (data[k * 336 + 7] = v));
    const free = { y: float([1, 6, 336], data) };
    expect(boxLayout(free, Object.keys(free), PICTURE)).toEqual({ kind: 'anchor-free', output: 'y' });
    expect(readBoxes(free, boxLayout(free, Object.keys(free), PICTURE)!, PICTURE)[0]).toEqual([
      expect.objectContaining({ x1: 54, y1: 27, x2: 74, y2: 37, label: 1, score: expect.closeTo(0.8, 5) }),
    ]);
  });

  it('are read as the model chose them', () => {
    const out = {
      a: float([2, 4], [0, 0, 4, 4, 5, 5, 9, 9]),
      s: float([2], [0.9, 0.1]),
      l: { dtype: DType.INT64, dims: [2], data: BigInt64Array.from([3n, 4n]) },
    };
    const layout = boxLayout(out, Object.keys(out), null)!;
    expect(layout).toEqual({ kind: 'chosen', boxes: 'a', scores: 's', labels: 'l' });
    expect(readBoxes(out, layout, null)).toEqual([[expect.objectContaining({ x2: 4, label: 3 })]]);
  });

  it('are not seen where there are none', () => {
    expect(boxLayout({ y: float([1, 10], new Float32Array(10)) }, ['y'], PICTURE)).toBeNull();
    expect(boxLayout({ y: float([1, 8, 32, 32], new Float32Array(8192)) }, ['y'], PICTURE)).toBeNull();
    // Numbers outside 0..1 are not scores; tokens of a transformer are not anchors.
    expect(boxLayout({ y: float([1, 336, 7], new Float32Array(336 * 7).fill(2)) }, ['y'], PICTURE)).toBeNull();
    expect(boxLayout({ y: anchors({}) }, ['y'], null)).toBeNull();
  });
});

describe('agreement of detectors', () => {
  const BOXES: Meanings = new Map(
    ['y', 'a'].map((name) => [name, { name, reading: 'boxes', source: 'given', why: '' }]),
  );
  const two = { 0: [0.5, 0.25, 0, 0, 0.8, 0.1, 0.9], 265: [0, 0, 1, 1, 1, 0.6, 0.2] };
  it('is that of boxes, not of numbers', () => {
    const meter = createQualityMeter({ order: ['y'], picture: PICTURE, meanings: BOXES });
    // One box moves a little, the other is lost, and a third one is added.
    const other = { 0: [0.55, 0.3, 0, 0, 0.7, 0.1, 0.9], 300: [0, 0, 1, 1, 1, 0.6, 0.2] };
    meter.add({ y: many(two) }, { y: many(other) }, 1);
    expect(meter.result()).toMatchObject({ agreement: 0.5, boxes: 2 });
    const same = createQualityMeter({ order: ['y'], picture: PICTURE, meanings: BOXES });
    same.add({ y: many(two) }, { y: many(two) }, 1);
    expect(same.result()).toMatchObject({ agreement: 1, boxes: 2, snrDb: null });
  });

  it('says nothing where nothing is found, and takes other counts of chosen boxes', () => {
    const empty = createQualityMeter({ order: ['y'], picture: PICTURE, meanings: BOXES });
    empty.add({ y: many({}) }, { y: many({}) }, 1);
    expect(empty.result().agreement).toBeUndefined();
    const chosen = (n: number) => ({
      a: float([n, 4], Array.from({ length: n }, (_, i) => [10 * i, 0, 10 * i + 8, 8]).flat()),
      s: float([n], new Float32Array(n).fill(0.9)),
      l: { dtype: DType.INT64, dims: [n], data: new BigInt64Array(n) },
    });
    const meter = createQualityMeter({ order: ['a', 's', 'l'], meanings: BOXES });
    meter.add(chosen(3), chosen(1), 1);
    expect(meter.result()).toMatchObject({ agreement: 0.5, boxes: 2 });
    expect(meter.result().snrDb).toBeCloseTo(0, 6);
  });
});
