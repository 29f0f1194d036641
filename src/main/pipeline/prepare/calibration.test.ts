import { describe, expect, it } from 'vitest';
import { Net } from '../../../../test/support/topologies.ts';
import { DType } from '../../engine/ir/dtype.ts';
import type { Model } from '../../engine/ir/model.ts';
import { calibrationOf, firstSamples, inLargerBatches, resized, type Calibration } from './calibration.ts';

function network(batch: number | string): Model {
  const n = new Net();
  return n.out(n.head(n.relu(n.conv(n.input(batch, 3, 4, 4), 3, 6)), 6));
}

describe('random inputs where no data are given', () => {
  it.each([
    ['N', 16],
    [1, 1],
    [3, 3],
  ])('come in batches that the model takes (%s)', async (batch, size) => {
    const c = await calibrationOf(network(batch), null, [], 16, 1);
    expect([c.size, c.real, c.input]).toEqual([size, false, 'x']);
    expect(c.batches.length * c.size).toBeGreaterThanOrEqual(64);
    expect(c.labels).toHaveLength(c.batches.length);
    for (const feeds of c.batches) expect(feeds['x']!.dims).toEqual([size, 3, 4, 4]);
    // Batches of one sample, as curvature uses them: none is empty, and none is repeated.
    const single = resized(firstSamples(c, 8), 1);
    expect(single.length).toBeGreaterThanOrEqual(8);
    const seen = single.map(({ x }) => (x!.data as Float32Array).join());
    for (const { x } of single) expect(x!.data.length).toBe(48);
    expect(new Set(seen).size).toBe(single.length);
  });
});

it('an input without a batch axis is the same in batches of any size', () => {
  const step = { dtype: DType.FLOAT, dims: [1], data: Float32Array.of(7) };
  const batches = [0, 1, 2, 3].map((i) => ({ x: { dtype: DType.FLOAT, dims: [1, 2], data: Float32Array.of(i, i) }, step })); // prettier-ignore
  const c: Calibration = { input: 'x', shared: new Set(['step']), size: 1, batches, labels: [null, null, null, null], real: true }; // prettier-ignore
  for (const feeds of [...resized(c, 2), ...inLargerBatches(c, 2).batches, ...resized(firstSamples(c, 1), 2)]) {
    expect(feeds['step']).toEqual(step);
    expect(feeds['x']!.dims).toEqual([2, 2]);
  }
});

it('small batches are put together, where that divides evenly', () => {
  const x = (i: number, size: number) => ({
    x: { dtype: DType.FLOAT, dims: [size, 3], data: Float32Array.from({ length: 3 * size }, (_, k) => 100 * i + k) },
  });
  const of = (count: number, size: number): Calibration => {
    const batches = Array.from({ length: count }, (_, i) => x(i, size));
    return { input: 'x', size, batches, labels: batches.map(() => null), real: true };
  };
  const shape = ({ size, batches }: Calibration): number[] => [size, ...batches.map((b) => b['x']!.dims[0]!)];
  expect(shape(inLargerBatches(of(4, 8), 16))).toEqual([16, 16, 16]);
  expect(shape(inLargerBatches(of(6, 4), 16))).toEqual([24, 24]);
  expect(shape(inLargerBatches(of(3, 8), 16))).toEqual([24, 24]);
  expect(shape(inLargerBatches(of(2, 3), 16))).toEqual([6, 6]);
  const large = of(2, 16);
  expect(inLargerBatches(large, 16)).toBe(large);
  const random = { ...of(4, 8), real: false };
  expect(inLargerBatches(random, 16)).toBe(random);
  const values = (c: Calibration): number[] => c.batches.flatMap((b) => [...(b['x']!.data as Float32Array)]);
  expect(values(inLargerBatches(of(4, 8), 16))).toEqual(values(of(4, 8)));
  // Also for any other requested size.
  const sizes = (c: Calibration, size: number): number[] => resized(c, size).map((b) => b['x']!.dims[0]!);
  expect(sizes(of(2, 8), 4)).toEqual([4, 4, 4, 4]);
  expect(sizes(of(5, 2), 4)).toEqual([4, 4]);
  expect(sizes(of(4, 3), 5)).toEqual([5, 5]);
  const few = resized(of(1, 3), 5);
  expect(few).toHaveLength(1);
  expect([...(few[0]!['x']!.data as Float32Array)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 0, 1, 2]);
});
