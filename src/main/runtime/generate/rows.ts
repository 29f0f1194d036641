/** Small changes of tensors between components. */
import type { HostTensor } from '../../engine/executor.ts';
import { joinRows } from '../../engine/executor.ts';

/** Joins [1, a, width] and [1, b, width] to [1, a + b, width]. */
export function joinTokens(a: HostTensor, b: HostTensor): HostTensor {
  const rows = (t: HostTensor): HostTensor => ({ ...t, dims: t.dims.slice(1) });
  const joined = joinRows([rows(a), rows(b)]);
  return { ...joined, dims: [1, ...joined.dims] };
}

/** Features [..., width] with as many axes as an input has: all axes but the last become one, after leading ones. */
export function withRank(t: HostTensor, rank: number): HostTensor {
  const width = t.dims.at(-1)!;
  const rows = t.dims.slice(0, -1).reduce((n, d) => n * d, 1);
  return { ...t, dims: [...Array.from({ length: Math.max(0, rank - 2) }, () => 1), rows, width] };
}
