/**
 * Initializers that are also graph inputs. Before IR version 4, every initializer had to be listed, without further
 * meaning. Since then, listing makes it a default that callers may replace, and a replaceable weight is not a constant.
 */
import type { Model } from '../ir/index.ts';
import type { Pass } from './pass.ts';

/** The first version in which initializers need not be inputs. */
const FREE = 4;

/**
 * Lifts a model of an older IR version to 4: initializers are removed from the inputs, everything else stays. Without
 * this, initializers could not be added. Changes the model in place; returns false where the version is recent enough.
 */
export function liftIrVersion(model: Model): boolean {
  if (model.irVersion >= FREE) return false;
  model.fileIrVersion = model.irVersion;
  model.irVersion = FREE;
  unlist(model);
  return true;
}

/**
 * Removes initializers from the inputs where all of them are listed: exporters do this by convention, and nobody
 * replaces every weight. If only some are listed, they are meant to be replaced and stay.
 */
export const unlistInitializers: Pass = {
  name: 'unlist-initializers',
  run(model) {
    const { inputs, initializers } = model.graph;
    const listed = new Set(inputs);
    const all = initializers.size > 0 && [...initializers].every((v) => listed.has(v));
    if (all) unlist(model);
    return { model, modified: all };
  },
};

function unlist(model: Model): void {
  const { inputs } = model.graph;
  inputs.splice(0, Infinity, ...inputs.filter((v) => !v.isInitializer));
}
