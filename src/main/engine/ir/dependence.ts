/** Which values depend on the data of the graph's inputs, as opposed to their shapes alone. */
import type { Model } from './model.ts';
import type { Node } from './node.ts';
import { readsOf } from './reads.ts';
import type { Value } from './value.ts';

/** Read shapes only, so their outputs are the same whatever the data is. */
const SHAPE_ONLY = new Set(['Shape', 'Size']);
/** Differ from run to run although nothing flows in. */
const RANDOM = new Set([
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'Multinomial',
  'Bernoulli',
]);

/** Subgraphs included. */
export function isRandom(node: Node): boolean {
  if (RANDOM.has(node.opType)) return true;
  for (const g of node.subgraphs()) for (const inner of g.nodes()) if (isRandom(inner)) return true;
  return false;
}

/** Top-level values whose contents depend on the data of the inputs (or on chance). Everything else is constant for given shapes. */
export function dataDependent(model: Model): Set<Value> {
  const out = new Set<Value>(model.graph.inputs.filter((v) => !v.isInitializer));
  for (const node of model.graph.nodes()) {
    if (SHAPE_ONLY.has(node.opType) && node.domain === '') continue;
    let depends = isRandom(node);
    if (!depends) for (const v of readsOf(node)) if (out.has(v)) depends = true;
    if (depends) for (const o of node.outputs) out.add(o);
  }
  return out;
}
