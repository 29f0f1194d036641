// Turns architectures without weights into models that tests and benchmarks can run.
import { cloneModel } from '../../src/main/engine/ir/clone.ts';
import type { Model } from '../../src/main/engine/ir/index.ts';
import { randomFeeds } from '../../src/main/runtime/random-inputs.ts';
import { disturbZeros, fillMissing, scaleMatrices } from './fill-weights.ts';
import { difference, runOnce } from './prune.ts';

/** Returns the model after filling tensors without data, in place. */
export function fillZoo(model: Model, seed: number): Model {
  fillMissing(model, seed);
  return model;
}

const ROUNDS = 12;
const GAIN = 1.3;
/** Relative difference between the results of two inputs at which a masked unit is visible. */
const VISIBLE = 0.005;

/**
 * Scales the weights of a filled model, in place, until two inputs give visibly different results
 * at the last linear operators. Signals fade in some architectures with fresh weights, and the
 * outputs then contain only biases.
 */
export async function amplifySignals(model: Model): Promise<void> {
  // Heads are initialized to zero, and layer scales near it.
  disturbZeros(model, 3, 0.05);
  for (let round = 0; round < ROUNDS; round++) {
    const probe = cloneModel(model).model;
    const linear = [...probe.graph.nodes()].filter((n) => ['Conv', 'Gemm', 'MatMul'].includes(n.key)).slice(-12);
    probe.graph.outputs.splice(0, Infinity, ...linear.map((n) => n.output()));
    const [a, b] = [await runOnce(probe, randomFeeds(model, {}, 1)), await runOnce(probe, randomFeeds(model, {}, 9))];
    const comparable = Object.keys(a).filter((k) => a[k]!.data.length && a[k]!.dims.join() === b[k]!.dims.join());
    if (comparable.every((k) => difference({ [k]: a[k]! }, { [k]: b[k]! }) > VISIBLE)) return;
    scaleMatrices(model, GAIN);
  }
}
