/** Number of rows of a regression: samples times sampled output positions. */
import type { HostTensor } from '../executor.ts';

/** Minimum rows per column. */
export const ENOUGH = 3;

/**
 * Positions of one sample are similar: about 64 of them carry as much information as all, and leave time for more
 * samples.
 */
const POSITIONS = 64;

/**
 * Step between sampled positions along each spatial axis.
 * @param dims of an output with its channels on axis 1
 */
export const thinning = (dims: readonly number[]): number => {
  const positions = dims.slice(2).reduce((a, b) => a * b, 1);
  return Math.max(1, Math.round((positions / POSITIONS) ** (1 / Math.max(1, dims.length - 2))));
};

/**
 * Sampled positions per sample.
 * @param dims of an operator's output
 */
export function positionsOf(dims: readonly number[]): number {
  const every = thinning(dims);
  return dims.slice(2).reduce((a, b) => a * Math.ceil(b / every), 1);
}

/** Number of rows of values at the sampled positions, with channels on `axis`. */
export const rowsOf = (looked: readonly HostTensor[], axis: number): number =>
  looked.reduce((n, t) => n + t.data.length / t.dims[axis]!, 0);
