/**
 * Resolves constant conditions: exporters of scripted code test ranks and sizes that never change (a squeeze of an axis
 * that may be 1 becomes an If). The branch that is always taken replaces the If, so its contents can be pruned.
 */
import type { Facts } from '../ir/facts.ts';
import type { Graph } from '../ir/graph.ts';
import type { Model } from '../ir/model.ts';
import { Node } from '../ir/node.ts';
import { givenOut } from '../ir/reads.ts';
import { toNumbers } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { dissolve } from './eliminate-dead.ts';
import { copyInitializers, copyNodes } from './move-body.ts';
import { readsSizes } from '../ops/registry.ts';

/**
 * Changes the model in place, nested branches included.
 * @param facts of this model
 * @returns number of conditions removed
 */
export function takeBranches(model: Model, facts: Facts): number {
  const { graph } = model;
  let count = 0;
  for (const node of [...graph.nodes()]) {
    if (node.key !== 'If') continue;
    const condition = node.input(0)!;
    const known = condition.initializer ? toNumbers(condition.initializer) : facts.get(condition)?.constant;
    if (known?.length !== 1 || mayChange(condition, facts)) continue;
    const branch = node.attributes.get(known[0] ? 'then_branch' : 'else_branch');
    if (branch?.kind !== 'graph') continue;
    inline(graph, node, branch.value);
    count++;
  }
  return count;
}

/** True where a condition depends on a size that differs between runs, or may. */
function mayChange(condition: Value, facts: Facts): boolean {
  const seen = new Set<Value>();
  const waiting = [condition];
  while (waiting.length) {
    const v = waiting.pop()!;
    if (seen.has(v) || v.isInitializer) continue;
    seen.add(v);
    const n = v.producer;
    if (!n) return true;
    const sized = readsSizes(n) ? n.input(0) : null;
    const picked = n.key === 'Gather' && n.input(0)?.producer?.key === 'Shape' ? n.input(0)!.producer!.input(0) : null;
    if (picked && dynamicAt(picked, indicesOf(n.input(1), facts), facts) === false) continue;
    if (sized) {
      if (facts.get(sized)?.dynamic || !facts.get(sized)) return true;
      continue;
    }
    if ([...n.subgraphs()].length) return true;
    waiting.push(...n.inputs.filter((x) => x !== null));
  }
  return false;
}

const indicesOf = (v: Value | null, facts: Facts): readonly number[] | null =>
  v?.initializer ? toNumbers(v.initializer) : ((v && facts.get(v)?.constant) ?? null);

/** Whether one of the axes is dynamic; null where unknown. */
function dynamicAt(v: Value, axes: readonly number[] | null, facts: Facts): boolean | null {
  const f = facts.get(v);
  if (!f || !axes) return null;
  return axes.some((a) => (f.dynamic?.[a < 0 ? a + f.shape.length : a] ?? null) !== null);
}

function inline(graph: Graph, node: Node, branch: Graph): void {
  const values = copyInitializers(graph, branch);
  copyNodes(graph, branch, node, values);
  const after = node.next;
  const outputs = [...node.outputs];
  graph.remove(node, true);
  for (const g of node.subgraphs()) dissolve(g);
  const named = givenOut(graph);
  outputs.forEach((out, i) => {
    const result = values.get(branch.outputs[i]!) ?? branch.outputs[i]!;
    if (!named.has(out)) {
      out.replaceAllUsesWith(result);
      return;
    }
    // A graph output keeps its name.
    const same = new Node('Identity', [result], [out], { name: node.name ? `${node.name}_${i}` : '' });
    if (after) graph.insertBefore(after, same);
    else graph.append(same);
  });
}
