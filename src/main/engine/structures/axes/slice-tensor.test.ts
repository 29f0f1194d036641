import { describe, expect, it } from 'vitest';
import { DType } from '../../ir/dtype.ts';
import { MemoryTensor } from '../../ir/tensor.ts';
import { sliceTensor, spreadTensor } from './slice-tensor.ts';

/** A tensor whose elements are 0, 1, 2, ... in `bytes` bytes each, starting `offset` bytes into a buffer. */
function counting(dtype: number, bytes: 1 | 2 | 4 | 8, dims: number[], offset: number): MemoryTensor {
  const n = dims.reduce((a, b) => a * b, 1);
  const whole = new Uint8Array(offset + n * bytes);
  const view = new DataView(whole.buffer, offset);
  for (let i = 0; i < n; i++) {
    if (bytes === 1) view.setUint8(i, i);
    else if (bytes === 2) view.setUint16(2 * i, i, true);
    else if (bytes === 4) view.setUint32(4 * i, i, true);
    else view.setBigUint64(8 * i, BigInt(i), true);
  }
  return new MemoryTensor(dtype, dims, whole.subarray(offset));
}

const read = (t: { bytes(): Uint8Array }, bytes: number): number[] => {
  const raw = t.bytes();
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  return Array.from({ length: raw.byteLength / bytes }, (_, i) =>
    bytes === 1
      ? view.getUint8(i)
      : bytes === 2
        ? view.getUint16(2 * i, true)
        : bytes === 4
          ? view.getUint32(4 * i, true)
          : Number(view.getBigUint64(8 * i, true)),
  );
};

describe('sliceTensor keeps the elements it is told to', () => {
  const dims = [3, 4, 2, 5];
  const kepts: (readonly number[] | null)[][] = [
    [null, null, null, null],
    [[2, 0], null, null, null],
    [null, [3, 1, 0], null, null],
    [[1], [0, 2], null, null],
    [null, [2], null, [4, 0]],
    [[0, 2], null, [1], null],
  ];
  const types = [
    [DType.UINT8, 1],
    [DType.FLOAT16, 2],
    [DType.FLOAT, 4],
    [DType.INT64, 8],
  ] as const;
  for (const [dtype, bytes] of types)
    for (const offset of [0, 3])
      it(`of ${bytes} bytes, ${offset} bytes into a file`, () => {
        const t = counting(dtype, bytes, dims, offset);
        for (const kept of kepts) {
          const all = dims.map((n, axis) => kept[axis] ?? Array.from({ length: n }, (_, i) => i));
          const want = all[0]!.flatMap((a) =>
            all[1]!.flatMap((b) => all[2]!.flatMap((c) => all[3]!.map((d) => ((a * 4 + b) * 2 + c) * 5 + d))),
          );
          const cut = sliceTensor(t, kept);
          expect(cut.dims).toEqual(all.map((x) => x.length));
          expect(read(cut, bytes)).toEqual(bytes === 1 ? want.map((x) => x % 256) : want);
        }
      });
});

describe('spreadTensor, the inverse of sliceTensor', () => {
  it('puts zeros at the removed indices', () => {
    const t = counting(DType.FLOAT16, 2, [3, 2, 4], 0);
    const kept = [[0, 2], null, [1, 3]];
    const back = spreadTensor(sliceTensor(t, kept), [3, 2, 4], kept);
    expect(back.dims).toEqual([3, 2, 4]);
    const want = Array.from({ length: 24 }, (_, i) => (Math.floor(i / 8) !== 1 && i % 2 === 1 ? i : 0));
    expect(read(back, 2)).toEqual(want);
    expect(read(spreadTensor(t, [3, 2, 4], [null, null, null]), 2)).toEqual(read(t, 2));
  });

  it('refuses other shapes', () => {
    const t = counting(DType.FLOAT, 4, [2, 2], 0);
    expect(() => spreadTensor(t, [3, 2], [null, null])).toThrow(RangeError);
    expect(() => spreadTensor(t, [3, 2], [[0, 1, 2], null])).toThrow(RangeError);
  });
});
