/** Helpers shared by passes over lists of tensors (ONNX sequences). */
import type { Facts } from '../ir/facts.ts';
import type { Graph } from '../ir/graph.ts';
import { Node } from '../ir/node.ts';
import { givenOut } from '../ir/reads.ts';
import { toNumbers } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { traitsOf } from '../ops/registry.ts';

export const isListMaker = (node: Node): boolean => traitsOf(node).sequence?.makes === 'sequence';

/** The numbers in a value that are the same at every size of the inputs; null where unknown. */
export function fixedNumbers(v: Value, facts: Facts): readonly number[] | null {
  if (v.initializer) return v.isGraphInput ? null : toNumbers(v.initializer);
  const fact = facts.get(v);
  return fact?.constant && !fact.varies ? fact.constant : null;
}

/** Replaces an output of a removed node by `by`. A graph output keeps its name. */
export function takePlace(graph: Graph, before: Node | null, out: Value, by: Value): void {
  if (!givenOut(graph).has(out)) {
    out.replaceAllUsesWith(by);
    return;
  }
  const same = new Node('Identity', [by], [out]);
  if (before) graph.insertBefore(before, same);
  else graph.append(same);
}
