/** Refuses NaN and infinity in data. They would turn scores, statistics and quality figures into NaN. */
import { SecateurError } from '../../shared/contract/errors.ts';
import { DType, dtypeName, elementCount, isFloat } from '../engine/ir/dtype.ts';
import { readable } from './cast.ts';
import type { ArraySource } from './npy.ts';

/** Elements per read. */
const CHUNK = 2 ** 20;

/** The largest magnitude that rounds to a number of the type. */
const LIMITS: Readonly<Record<number, number>> = {
  [DType.FLOAT16]: 65519.99999999999,
  [DType.FLOAT]: 3.4028235677973362e38,
};

/**
 * Reads all used rows, a few megabytes at a time, and refuses NaN, infinity, and values beyond the range of the input's
 * type. Integer arrays always pass.
 * @param dtype of the model's input
 * @throws 'data-not-finite' with the first such row and their number
 */
export async function requireFinite(
  array: ArraySource,
  o: { readonly path: string; readonly rows: readonly number[]; readonly dtype: number },
): Promise<void> {
  if (!isFloat(array.dtype)) return;
  const limit = LIMITS[o.dtype] ?? Number.MAX_VALUE;
  let first = null as { row: number; value: number } | null;
  let bad = 0;
  await eachRow(array, o.rows, (row, values, from, to) => {
    const found = firstBeyond(values as ArrayLike<number>, from, to, limit);
    if (found < 0) return;
    bad++;
    first ??= { row, value: Number(values[found]) };
  });
  refuse(first, bad, o);
}

/**
 * Reads rows in parts of bounded size.
 * @param look gets the row's index and its values as a range of an array
 */
export async function eachRow(
  array: ArraySource,
  rows: readonly number[],
  look: (row: number, values: ArrayLike<number | bigint>, from: number, to: number) => void,
): Promise<void> {
  const size = elementCount(array.shape.slice(1));
  const step = Math.max(1, Math.floor(CHUNK / Math.max(1, size)));
  for (let at = 0; at < rows.length; at += step) {
    const chunk = rows.slice(at, at + step);
    const values = readable(await array.rows(chunk), array.dtype);
    chunk.forEach((row, k) => look(row, values, k * size, (k + 1) * size));
  }
}

function refuse(
  first: { readonly row: number; readonly value: number } | null,
  bad: number,
  o: { readonly path: string; readonly rows: readonly number[]; readonly dtype: number },
): void {
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

/** Index of the first element beyond the limit, -1 when there is none. */
function firstBeyond(data: ArrayLike<number>, from: number, to: number, limit: number): number {
  // The negated comparison also catches NaN.
  for (let i = from; i < to; i++) if (!(Math.abs(data[i]!) <= limit)) return i;
  return -1;
}
