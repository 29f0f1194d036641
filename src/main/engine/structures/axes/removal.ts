/** Indices that a cut removes along axes of values. */
import type { Value } from '../../ir/value.ts';

/** Removed indices per axis of each value of the original model; axes without removed indices are absent. */
export type Removal = ReadonlyMap<Value, ReadonlyMap<number, ReadonlySet<number>>>;

/** Kept indices of an axis of `extent`, ascending, or null when all stay. */
export function keptIndices(removal: Removal, value: Value, axis: number, extent: number): readonly number[] | null {
  const set = removal.get(value)?.get(axis);
  if (!set?.size) return null;
  const out: number[] = [];
  for (let i = 0; i < extent; i++) if (!set.has(i)) out.push(i);
  return out;
}
