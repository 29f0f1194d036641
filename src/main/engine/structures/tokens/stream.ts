/**
 * Finds where a graph carries its data in one sequence of tokens: values that all data must pass, such as the residual
 * stream between two layers of a transformer.
 */
import { dataDependent } from '../../ir/dependence.ts';
import { isFloat } from '../../ir/dtype.ts';
import type { Facts } from '../../ir/facts.ts';
import type { Model } from '../../ir/model.ts';
import type { Node } from '../../ir/node.ts';
import { capturedBy, readsOf } from '../../ir/reads.ts';
import type { Value } from '../../ir/value.ts';

/** A value that all data pass, and the nodes in execution order that lie between the one before it and itself. */
export interface Bottleneck {
  readonly value: Value;
  readonly nodes: readonly Node[];
}

/**
 * Float values of rank 3 that all data pass, in execution order. A value is one when it is the only value before a point
 * of the order that later nodes read for its contents; sizes may be read from anywhere.
 */
export function bottlenecks(model: Model, facts: Facts): Bottleneck[] {
  const dependent = dataDependent(model);
  const readers = new Map<Value, number>();
  const nodes = [...model.graph.nodes()];
  const carries = (n: Node): boolean => n.outputs.some((o) => dependent.has(o));
  for (const n of nodes) if (carries(n)) for (const v of new Set(readsOf(n))) readers.set(v, (readers.get(v) ?? 0) + 1);
  for (const v of model.graph.outputs) readers.set(v, Infinity);
  const live = new Set(model.graph.inputs.filter((v) => dependent.has(v) && readers.has(v)));
  const out: Bottleneck[] = [];
  let between: Node[] = [];
  for (const n of nodes) {
    if (!carries(n)) continue;
    between.push(n);
    for (const v of new Set(readsOf(n))) {
      const left = (readers.get(v) ?? 0) - 1;
      readers.set(v, left);
      if (left <= 0) live.delete(v);
    }
    for (const o of n.outputs) if (dependent.has(o) && readers.has(o)) live.add(o);
    const [value] = live;
    if (live.size !== 1 || value!.isGraphOutput) continue;
    const fact = facts.get(value!);
    if (!fact || fact.shape.length !== 3 || !isFloat(fact.dtype) || value!.producer === null) continue;
    out.push({ value: value!, nodes: between });
    between = [];
  }
  return out;
}

/** Top-level nodes that read a value or anything computed from it, sizes included. In execution order. */
export function behind(model: Model, from: Value): Set<Node> {
  const reached = new Set([from]);
  const out = new Set<Node>();
  for (const n of model.graph.nodes()) {
    let reads = n.inputs.some((v) => v !== null && reached.has(v));
    if (!reads) for (const v of capturedBy(n)) reads ||= reached.has(v);
    if (!reads) continue;
    out.add(n);
    for (const o of n.outputs) reached.add(o);
  }
  return out;
}
