/** How many rows a regression has: samples times the positions of an output that are looked at. */
import type { HostTensor } from '../executor.ts';

/** Rows per column, at least. */
export const ENOUGH = 3;

/** Positions of one sample resemble each other: about 64 of them say as much as all, and leave time for more samples. */
const POSITIONS = 64;

/** Each so-manieth position is looked at, along each spatial axis. @param dims of an output with its channels on axis 1 */
export const thinning = (dims: readonly number[]): number => {
  const positions = dims.slice(2).reduce((a, b) => a * b, 1);
  return Math.max(1, Math.round((positions / POSITIONS) ** (1 / Math.max(1, dims.length - 2))));
};

/** Positions that are looked at per sample. @param dims of an operator's output */
export function positionsOf(dims: readonly number[]): number {
  const every = thinning(dims);
  return dims.slice(2).reduce((a, b) => a * Math.ceil(b / every), 1);
}

/** Of values at the positions that are looked at, whose channels are on `axis`. */
export const rowsOf = (looked: readonly HostTensor[], axis: number): number =>
  looked.reduce((n, t) => n + t.data.length / t.dims[axis]!, 0);
