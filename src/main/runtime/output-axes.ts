/** Finds the batch axis of a model's outputs. */
import { batchAxisFrom } from '../engine/batch-first.ts';
import type { Model } from '../engine/ir/model.ts';
import { batchAxes } from './axes.ts';

type Shapes = Readonly<Record<string, { readonly dims: readonly number[] }>>;

/** Outputs of one run, and the number of samples it was fed. */
export interface SizedRun {
  readonly outputs: Shapes;
  readonly batch: number;
}

/** Declared batch axes by output: axes with the name of the inputs' batch. */
export function declaredBatchAxes(model: Model): ReadonlyMap<string, number> {
  const batches = batchAxes(model);
  return new Map(
    model.graph.outputs.flatMap((v): [string, number][] => {
      const axis = (v.type?.shape ?? []).findIndex((d) => typeof d === 'string' && batches.has(d));
      return axis < 0 ? [] : [[v.name, axis]];
    }),
  );
}

/**
 * Batch axis of each output: as declared; else from the sizes of two runs; else, with one run, the first axis or the
 * only other one of that size. Outputs without a batch axis are left out.
 */
export function batchAxesOfOutputs(model: Model, run: SizedRun, other: SizedRun | null): ReadonlyMap<string, number> {
  const declared = declaredBatchAxes(model);
  return new Map(
    model.graph.outputs.flatMap(({ name }): [string, number][] => {
      const dims = run.outputs[name]?.dims;
      if (!dims) return [];
      const axis = declared.get(name) ?? found(name, dims, run, other);
      return axis === undefined || axis >= dims.length ? [] : [[name, axis]];
    }),
  );
}

function found(name: string, dims: readonly number[], run: SizedRun, other: SizedRun | null): number | undefined {
  const others = other?.outputs[name]?.dims;
  if (other && others) return batchAxisFrom({ dims, batch: run.batch }, { dims: others, batch: other.batch });
  if (dims[0] === run.batch) return 0;
  // Axes of size one are common: with a single sample, the batch axis is recognised only among three or more.
  const same = dims.flatMap((n, axis) => (n === run.batch ? [axis] : []));
  return same.length === 1 && (run.batch > 1 || dims.length > 2) ? same[0] : undefined;
}
