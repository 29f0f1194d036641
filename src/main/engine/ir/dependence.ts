/** Determines which values depend on the data of the graph's inputs, as opposed to their shapes alone. */
import type { Model } from './model.ts';
import type { Node } from './node.ts';
import { traitsOf } from '../ops/registry.ts';
import { capturedBy } from './reads.ts';
import type { Value } from './value.ts';

/**
 * Whether runs with equal inputs can give different results, as operators that draw random numbers do. Subgraphs
 * included.
 */
export function isRandom(node: Node): boolean {
  const { random } = traitsOf(node);
  if (typeof random === 'function' ? random(node) : random) return true;
  for (const g of node.subgraphs()) for (const inner of g.nodes()) if (isRandom(inner)) return true;
  return false;
}

/** Everything that a node reads for more than its shape and type, including reads of its subgraphs. */
function* contentsRead(node: Node): Generator<Value> {
  const { shapeInputs = [] } = traitsOf(node);
  for (const [i, v] of node.inputs.entries()) if (v && !shapeInputs.includes(i)) yield v;
  yield* capturedBy(node);
}

/** Names of the graph's outputs whose values can differ between runs with equal inputs. */
export interface RandomOutputs {
  readonly names: ReadonlySet<string>;
  /** The subset of outputs whose sizes are random too. */
  readonly unsized: ReadonlySet<string>;
}

export function randomOutputs(model: Model): RandomOutputs {
  const random = new Set<Value>();
  const unsized = new Set<Value>();
  for (const node of model.graph.nodes()) {
    const { selection, sizeInputs = [], shapeInputs = [] } = traitsOf(node);
    const reads = [...contentsRead(node)];
    // A random size makes everything that reads shapes random.
    const shapes = shapeInputs.some((i) => unsized.has(node.input(i)!));
    if (!shapes && !reads.some((v) => random.has(v)) && !isRandom(node)) continue;
    const sizes = sizeInputs.some((i) => random.has(node.input(i)!));
    // Subgraphs can have a random number of iterations.
    const counted = sizes || selection?.counted || shapes || reads.some((v) => unsized.has(v));
    for (const v of node.outputs) {
      random.add(v);
      if (counted) unsized.add(v);
    }
  }
  const names = (among: ReadonlySet<Value>): Set<string> =>
    new Set(model.graph.outputs.filter((v) => among.has(v)).map((v) => v.name));
  return { names: names(random), unsized: names(unsized) };
}

/**
 * Top-level values whose contents depend on the data of the inputs, or on chance. All other values are constant for
 * given shapes.
 */
export function dataDependent(model: Model): Set<Value> {
  const out = new Set<Value>(model.graph.inputs.filter((v) => !v.isInitializer));
  for (const node of model.graph.nodes()) {
    let depends = isRandom(node);
    if (!depends) for (const v of contentsRead(node)) if (out.has(v)) depends = true;
    if (depends) for (const o of node.outputs) out.add(o);
  }
  return out;
}

/**
 * The graph inputs that the contents of each top-level value depend on, as bits in the order of `graph.inputs`. Shapes
 * and chance do not count: noise in the shape of an input depends on nothing. Values without bits are left out.
 */
export function inputDependence(model: Model): Map<Value, bigint> {
  const out = new Map<Value, bigint>();
  model.graph.inputs.forEach((v, i) => {
    if (!v.isInitializer) out.set(v, 1n << BigInt(i));
  });
  for (const node of model.graph.nodes()) {
    let bits = 0n;
    for (const v of contentsRead(node)) bits |= out.get(v) ?? 0n;
    if (bits) for (const o of node.outputs) out.set(o, bits);
  }
  return out;
}

/**
 * The first output that no longer depends on an input it depended on, or null. Outputs and inputs are matched by name.
 */
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
