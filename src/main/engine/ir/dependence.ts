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

/** Read an input for its shape and type alone, whatever else they do. */
const LIKE = new Set(['RandomNormalLike', 'RandomUniformLike', 'EyeLike']);

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

/**
 * The inputs of the graph that the contents of each top-level value depend on, as bits in the order of `graph.inputs`.
 * Shapes and chance do not count: noise in the shape of an input depends on nothing. Values without bits are left out.
 */
export function inputDependence(model: Model): Map<Value, bigint> {
  const out = new Map<Value, bigint>();
  model.graph.inputs.forEach((v, i) => {
    if (!v.isInitializer) out.set(v, 1n << BigInt(i));
  });
  for (const node of model.graph.nodes()) {
    if (node.domain === '' && (SHAPE_ONLY.has(node.opType) || LIKE.has(node.opType))) continue;
    let bits = 0n;
    for (const v of readsOf(node)) bits |= out.get(v) ?? 0n;
    if (bits) for (const o of node.outputs) out.set(o, bits);
  }
  return out;
}

/** The first output that depended on an input and no longer does, or null. Outputs and inputs go by their names. */
export function lostDependence(before: Model, after: Model): { output: string; input: string } | null {
  const was = inputDependence(before);
  const is = inputDependence(after);
  const names = (model: Model, bits: bigint): string[] =>
    model.graph.inputs.filter((_, i) => bits & (1n << BigInt(i))).map((v) => v.name);
  const now = new Map(after.graph.outputs.map((v) => [v.name, new Set(names(after, is.get(v) ?? 0n))]));
  for (const v of before.graph.outputs)
    for (const input of names(before, was.get(v) ?? 0n))
      if (!now.get(v.name)?.has(input)) return { output: v.name, input };
  return null;
}
