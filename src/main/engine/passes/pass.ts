import type { Model } from '../ir/index.ts';
import { verifyModel } from '../ir/verify.ts';

/** A rewrite of a model. It may change the model it is given. */
export interface Pass {
  readonly name: string;
  /** Throws when the pass does not support the model. */
  readonly requires?: (model: Model) => void;
  run(model: Model): PassResult;
  /** Throws when the result violates the pass's guarantee; called when verifying. */
  readonly ensures?: (model: Model) => void;
}

export interface PassResult {
  readonly model: Model;
  readonly modified: boolean;
}

/** Runs passes one after another. With `verify` (always in tests), the model is checked after each. */
export function runPasses(model: Model, passes: readonly Pass[], options: { verify?: boolean } = {}): PassResult {
  let modified = false;
  let current = model;
  for (const p of passes) {
    p.requires?.(current);
    const r = p.run(current);
    current = r.model;
    modified ||= r.modified;
    if (options.verify) {
      verifyModel(current);
      p.ensures?.(current);
    }
  }
  return { model: current, modified };
}
