/** Converts outputs whose samples do not lie along the first axis, such as [T, N, C] or [C, N]. */
import type { HostTensor } from './executor.ts';
import type { NumericArray } from './ir/tensor.ts';

/** Moves `axis` to the front. The other axes keep their order. */
export function batchFirst(t: HostTensor, axis: number): HostTensor {
  const rows = t.dims[axis];
  if (axis === 0 || rows === undefined) return t;
  const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);
  const [outer, inner] = [product(t.dims.slice(0, axis)), product(t.dims.slice(axis + 1))];
  const data = new (t.data.constructor as new (n: number) => NumericArray)(t.data.length);
  for (let o = 0; o < outer; o++)
    for (let n = 0; n < rows; n++) {
      const at = (o * rows + n) * inner;
      data.set(t.data.subarray(at, at + inner) as never, (n * outer + o) * inner);
    }
  return { ...t, dims: [rows, ...t.dims.toSpliced(axis, 1)], data };
}

/** The new index of an output's axis once the batch is first. */
export const axisBatchFirst = (axis: number, batch: number): number =>
  axis === batch ? 0 : axis < batch ? axis + 1 : axis;

/**
 * The batch axis, from the sizes at two batches: the first axis whose sizes equal both batches. undefined where there
 * is none.
 */
export function batchAxisFrom(
  a: { readonly dims: readonly number[]; readonly batch: number },
  b: { readonly dims: readonly number[]; readonly batch: number },
): number | undefined {
  if (a.dims.length !== b.dims.length) return undefined;
  const axis = a.dims.findIndex((n, i) => n === a.batch && b.dims[i] === b.batch);
  return axis < 0 ? undefined : axis;
}
