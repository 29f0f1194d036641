/** Decoders with new weights. A decoder for further tokens stores the same weights in a file of its own. */
import { createHash } from 'node:crypto';
import { SecateurError } from '../../../../shared/contract/errors.ts';
import { writeParameters } from '../../../engine/autodiff/trainer.ts';
import { cloneModel } from '../../../engine/ir/clone.ts';
import type { Model } from '../../../engine/ir/model.ts';
import type { Tensor } from '../../../engine/ir/tensor.ts';
import { constantsToInitializers, runPasses } from '../../../engine/passes/index.ts';

type Weights = ReadonlyMap<string, Float32Array>;

/** A copy whose constants are all initializers. */
function withInitializers(source: Model): Model {
  const { model } = cloneModel(source);
  runPasses(model, [constantsToInitializers]);
  return model;
}

/** A copy with new weights, by name. */
export function withWeights(source: Model, weights: Weights): Model {
  const model = withInitializers(source);
  writeParameters(model, weights);
  return model;
}

export interface DecoderWriter {
  /** Names of the first decoder's weights that may change. */
  readonly names: ReadonlySet<string>;
  /** Both decoders with new weights, by component. */
  models(weights: Weights): Map<string, Model>;
}

/**
 * @param first component and model of the decoder that is trained
 * @param next of the decoder for further tokens, where there is one
 */
export function decoderWriter(first: readonly [string, Model], next: readonly [string, Model] | null): DecoderWriter {
  const own = withInitializers(first[1]);
  const held = [...own.graph.initializers].flatMap(({ name, initializer }) => (initializer ? [{ name, initializer }] : [])); // prettier-ignore
  const twins = new Map<string, string>();
  if (next) {
    const theirs = new Map<string, string>();
    for (const v of withInitializers(next[1]).graph.initializers) if (v.initializer) theirs.set(keyOf(v.initializer), v.name); // prettier-ignore
    for (const { name, initializer } of held) {
      const twin = theirs.get(keyOf(initializer));
      if (twin !== undefined) twins.set(name, twin);
    }
  }
  return {
    names: new Set(held.map((v) => v.name).filter((name) => !next || twins.has(name))),
    models(weights) {
      const models = new Map([[first[0], withWeights(first[1], weights)]]);
      if (!next) return models;
      const missing = [...weights.keys()].find((name) => !twins.has(name));
      if (missing !== undefined) throw new SecateurError('recover-refused', { reason: `${next[0]} lacks the weight ${missing} of ${first[0]}` }); // prettier-ignore
      return models.set(next[0], withWeights(next[1], new Map([...weights].map(([name, data]) => [twins.get(name)!, data])))); // prettier-ignore
    },
  };
}

/** Shape and contents of a weight. */
const keyOf = (t: Tensor): string =>
  `${t.dtype}:${t.dims.join()}:${createHash('sha256').update(t.bytes()).digest('hex')}`;
