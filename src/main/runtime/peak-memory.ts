/** Estimates the memory of a run from runs at small sizes. The requested sizes are never run. */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Executor } from '../engine/executor.ts';
import type { Model } from '../engine/ir/model.ts';
import type { Value } from '../engine/ir/value.ts';
import { openProbe } from './facts.ts';
import { randomFeeds } from './random-inputs.ts';

/** Sizes up to this are run unchanged. */
const SMALL = 64;
const BYTES = 4;

/**
 * Bytes of the operator that holds most (its inputs and outputs) at the given sizes. Every value is followed over two
 * small sizes, one twice as large as the other, and extrapolated with the power that it shows (attention grows with the
 * square of the token axis). Null where the model does not run at small sizes.
 */
export async function peakBytes(
  model: Model,
  executor: Executor,
  sizes: Readonly<Record<string, number>>,
  batch: number,
): Promise<number | null> {
  const large = Object.values(sizes).filter((s) => s > SMALL);
  if (large.length === 0) return null;
  const probe = await openProbe(model, executor);
  try {
    const at = async (shift: number): Promise<ReadonlyMap<Value, readonly number[]> | null> => {
      const scaled = Object.fromEntries(Object.entries(sizes).map(([n, s]) => [n, s > SMALL ? shrunk(s, shift) : s]));
      try {
        return await probe.shapes(randomFeeds(model, { batch, dims: scaled }));
      } catch (e) {
        if (e instanceof SecateurError && e.code === 'runtime-rejected') return null;
        throw e;
      }
    };
    for (const shift of [3, 2, 1]) {
      const [less, more] = [await at(shift + 1), await at(shift)];
      if (!less || !more) continue;
      const growth = large.reduce((p, s) => p * (s / shrunk(s, shift)), 1) ** (1 / large.length);
      const elements = new Map<Value, number>();
      for (const [v, shape] of more) {
        const [b, a] = [count(shape), count(less.get(v) ?? shape)];
        elements.set(v, a > 0 && b > a ? b * growth ** Math.log2(b / a) : b);
      }
      let most = 0;
      for (const node of model.graph.nodes()) {
        const touched = [...node.inputs, ...node.outputs].reduce((n, v) => n + ((v && elements.get(v)) || 0), 0);
        most = Math.max(most, touched * BYTES);
      }
      return most;
    }
    return null;
  } finally {
    await probe.release();
  }
}

/** A power of two, because many models run only at multiples of one. */
const shrunk = (size: number, shift: number): number => 2 ** Math.max(0, Math.floor(Math.log2(size)) - shift);
const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
