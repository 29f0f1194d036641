/** Which values depend on the data of the graph's inputs, as opposed to their shapes alone. */
import type { Model } from './model.ts';
import type { Node } from './node.ts';
import { readsOf } from './reads.ts';
import { toNumbers, type Tensor } from './tensor.ts';
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

/** Results whose number is drawn as well, behind a random operator: their sizes differ from run to run. */
const COUNTED = new Set(['NonZero', 'NonMaxSuppression', 'Unique', 'Compress', 'Loop', 'If', 'Range']);

/** Whether runs with the same inputs may give other results, as operators that draw numbers do. Subgraphs included. */
export function isRandom(node: Node): boolean {
  if (RANDOM.has(node.opType) || isTrainingDropout(node)) return true;
  for (const g of node.subgraphs()) for (const inner of g.nodes()) if (isRandom(inner)) return true;
  return false;
}

/**
 * Drops values by chance: its third input (opset 12) is not known to be false, and its second, the share that is dropped, not
 * known to be zero. Without a second input half are dropped.
 */
function isTrainingDropout(node: Node): boolean {
  if (node.opType !== 'Dropout') return false;
  const [ratio, training] = [node.input(1), node.input(2)];
  return training !== null && !isZero(training) && (ratio === null || !isZero(ratio));
}

function isZero(v: Value): boolean {
  const constant = v.isGraphInput ? null : (v.initializer ?? constantOf(v));
  return constant !== null && toNumbers(constant)[0] === 0;
}

function constantOf(v: Value): Tensor | null {
  const value = v.producer?.opType === 'Constant' ? v.producer.attributes.get('value') : undefined;
  return value?.kind === 'tensor' ? value.value : null;
}

/** Names of the graph's outputs that runs with the same inputs may give other numbers for. */
export interface RandomOutputs {
  readonly names: ReadonlySet<string>;
  /** Those of them whose sizes are drawn too. */
  readonly unsized: ReadonlySet<string>;
}

export function randomOutputs(model: Model): RandomOutputs {
  const random = new Set<Value>();
  const unsized = new Set<Value>();
  for (const node of model.graph.nodes()) {
    const reads = [...readsOf(node)];
    const sizesOnly = node.domain === '' && (SHAPE_ONLY.has(node.opType) || LIKE.has(node.opType));
    const behind = reads.some((v) => (sizesOnly ? unsized : random).has(v));
    if (!behind && !isRandom(node)) continue;
    // Subgraphs may draw how often they are run.
    const counted = COUNTED.has(node.opType) || reads.some((v) => unsized.has(v));
    for (const v of node.outputs) {
      random.add(v);
      if (counted) unsized.add(v);
    }
  }
  const names = (among: ReadonlySet<Value>): Set<string> =>
    new Set(model.graph.outputs.filter((v) => among.has(v)).map((v) => v.name));
  return { names: names(random), unsized: names(unsized) };
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
