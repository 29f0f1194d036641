import type { Model } from '../../src/main/engine/ir/index.ts';
import { fillMissing } from '../../src/main/engine/passes/fill-missing.ts';

/** The model, with tensors that came without data filled in place. */
export function fillZoo(model: Model, seed: number): Model {
  fillMissing(model, seed);
  return model;
}
