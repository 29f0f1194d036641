/**
 * Initializers that are inputs of the graph as well. Before IR version 4 every one had to be, and it meant nothing; since
 * then it makes the initializer a default that callers may replace, and a weight that may be replaced is no constant.
 */
import type { Model } from '../ir/index.ts';
import type { Pass } from './pass.ts';

/** The first version in which initializers need not be inputs. */
const FREE = 4;

/**
 * Lifts a model of an older IR version to 4: initializers leave the inputs, everything else stays. Only so may
 * initializers be added. Changes the model in place; false where the version is new enough.
 */
export function liftIrVersion(model: Model): boolean {
  if (model.irVersion >= FREE) return false;
  model.fileIrVersion = model.irVersion;
  model.irVersion = FREE;
  unlist(model);
  return true;
}

/**
 * Takes initializers out of the inputs where all of them are listed: exporters do so by an old habit, and nobody replaces
 * every weight. Where some are listed they are meant to be replaced, and stay.
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
