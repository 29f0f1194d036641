/** Numbers that are none: NaN and infinity in data end in scores, statistics and figures of quality that are none either. */
import { SecateurError } from '../../shared/contract/errors.ts';
import { DType, dtypeName } from '../engine/ir/dtype.ts';
import type { ArraySource } from './npy.ts';

/** Bytes of rows that are read at once. */
const CHUNK = 4 << 20;

/** The largest magnitude that rounds to a number of the type. */
const LIMITS: Readonly<Record<number, number>> = {
  [DType.FLOAT16]: 65519.99999999999,
  [DType.FLOAT]: 3.4028235677973362e38,
};

/**
 * Reads all rows that are used, a few megabytes at a time, and refuses values that the model would not get as numbers:
 * NaN, infinity, and values beyond the range of the input's type. Arrays of integers always pass.
 * @param dtype of the model's input
 * @throws 'data-not-finite' with the first such row and how many there are
 */
export async function requireFinite(
  array: ArraySource,
  o: { readonly path: string; readonly rows: readonly number[]; readonly dtype: number },
): Promise<void> {
  if (array.dtype !== DType.FLOAT && array.dtype !== DType.DOUBLE) return;
  const limit = LIMITS[o.dtype] ?? Number.MAX_VALUE;
  const size = array.shape.slice(1).reduce((a, b) => a * b, 1);
  const step = Math.max(1, Math.floor(CHUNK / Math.max(1, size * (array.dtype === DType.FLOAT ? 4 : 8))));
  let first: { row: number; value: number } | null = null;
  let bad = 0;
  for (let at = 0; at < o.rows.length; at += step) {
    const rows = o.rows.slice(at, at + step);
    const data = (await array.rows(rows)) as Float32Array | Float64Array;
    for (const [k, row] of rows.entries()) {
      const found = firstBeyond(data, k * size, (k + 1) * size, limit);
      if (found < 0) continue;
      bad++;
      first ??= { row, value: data[found]! };
    }
  }
  if (!first) return;
  const { row, value } = first;
  const what = Number.isNaN(value)
    ? 'NaN'
    : Number.isFinite(value)
      ? `${value}, which is beyond ${dtypeName(o.dtype)}`
      : value > 0
        ? 'infinity'
        : '-infinity';
  throw new SecateurError('data-not-finite', { path: o.path, sample: `row ${row}`, what, bad, of: o.rows.length });
}

/** Index of the first element that is not within the limit, -1 when all are. */
function firstBeyond(data: ArrayLike<number>, from: number, to: number, limit: number): number {
  // NaN compares with nothing.
  for (let i = from; i < to; i++) if (!(Math.abs(data[i]!) <= limit)) return i;
  return -1;
}
