/** Checks whole numbers against an input: the range of its element type and the size of the table it indexes. */
import { SecateurError } from '../../shared/contract/errors.ts';
import { DType, dtypeName, isFloat } from '../engine/ir/dtype.ts';
import { eachRow } from './finite.ts';
import type { InputSpec } from './input-spec.ts';
import type { ArraySource } from './npy.ts';

const BITS: Readonly<Record<number, readonly [bits: number, signed: boolean]>> = {
  [DType.INT8]: [8, true],
  [DType.UINT8]: [8, false],
  [DType.INT16]: [16, true],
  [DType.UINT16]: [16, false],
  [DType.INT32]: [32, true],
  [DType.UINT32]: [32, false],
  [DType.INT64]: [64, true],
  [DType.UINT64]: [64, false],
};

/** Smallest and largest value of an element type; null for floats. */
function limitsOf(dtype: number): readonly [number, number] | null {
  if (dtype === DType.BOOL) return [0, 1];
  const type = BITS[dtype];
  if (!type) return null;
  const [bits, signed] = type;
  return signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
}

/**
 * Reads all used rows and refuses values that an integer or boolean input cannot take.
 * @throws 'data-range' with the first such row
 */
export async function requireWithin(
  array: ArraySource,
  spec: InputSpec,
  o: { readonly path: string; readonly rows: readonly number[] },
): Promise<void> {
  const dtype = spec.dtype ?? DType.FLOAT;
  const type = limitsOf(dtype);
  if (!type) return;
  const [low, high] = spec.ids === undefined ? type : [0, spec.ids - 1];
  if (array.dtype === dtype && spec.ids === undefined && dtype !== DType.BOOL) return;
  const whole = isFloat(array.dtype);
  await eachRow(array, o.rows, (row, values, from, to) => {
    for (let i = from; i < to; i++) {
      const x = Number(values[i]);
      if (x >= low && x <= high && (!whole || Number.isInteger(x))) continue;
      throw new SecateurError('data-range', {
        path: o.path,
        sample: `row ${row}`,
        input: spec.name,
        value: String(values[i]),
        allowed: `whole numbers from ${low} to ${high}`,
        why: spec.ids === undefined ? `its type is ${dtypeName(dtype)}` : `it indexes a table of ${spec.ids} rows`,
      });
    }
  });
}
