/** Ways that values take through a graph: contents, as opposed to sizes. */
import type { Graph } from '../../../ir/graph.ts';
import type { Node } from '../../../ir/node.ts';
import { capturedBy } from '../../../ir/reads.ts';
import type { Value } from '../../../ir/value.ts';
import { traitsOf } from '../../../ops/registry.ts';

/** Values whose contents a node reads. */
export function contentsOf(node: Node): Value[] {
  const { shapeInputs = [] } = traitsOf(node);
  const inputs = node.inputs.filter((v, i): v is Value => v !== null && !shapeInputs.includes(i));
  return [...inputs, ...capturedBy(node)];
}

/** Values whose elements a node passes on or computes with, without those that only give sizes. */
export function dataOf(node: Node): Value[] {
  const { shapeInputs = [], sizeInputs = [] } = traitsOf(node);
  return node.inputs.filter((v, i): v is Value => v !== null && !shapeInputs.includes(i) && !sizeInputs.includes(i));
}

/** The value that a value is a copy of; itself where it is none. Exporters also write Concat with a single input. */
export function sourceOf(v: Value): Value {
  let at = v;
  while (at.producer?.inputs.length === 1 && isCopy(at.producer)) at = at.producer.input(0)!;
  return at;
}

const isCopy = (n: Node): boolean => {
  const { movement } = traitsOf(n);
  return movement === 'as-is' || movement === 'joined';
};

/** Values that depend on `sources` in any way, sizes included. */
export function dependents(graph: Graph, sources: Iterable<Value>): Set<Value> {
  const out = new Set<Value>(sources);
  for (const n of graph.nodes()) if (readsAny(n, out)) for (const o of n.outputs) out.add(o);
  return out;
}

const readsAny = (n: Node, of: ReadonlySet<Value>): boolean =>
  n.inputs.some((v) => v !== null && of.has(v)) || [...capturedBy(n)].some((v) => of.has(v));

/** Nodes by which the contents of `sources` reach `targets`, in execution order. */
export function pathNodes(graph: Graph, sources: readonly Value[], targets: readonly Value[]): Node[] {
  const reached = new Set<Value>(sources);
  const behind: Node[] = [];
  for (const n of graph.nodes())
    if (contentsOf(n).some((v) => reached.has(v))) {
      behind.push(n);
      for (const o of n.outputs) reached.add(o);
    }
  const wanted = new Set<Value>(targets);
  const out: Node[] = [];
  for (const n of behind.reverse())
    if (n.outputs.some((o) => wanted.has(o))) {
      out.push(n);
      for (const v of contentsOf(n)) if (reached.has(v)) wanted.add(v);
    }
  return out.reverse();
}

/**
 * Nodes of a path that everything on it passes through: no value computed before such a node is read after it.
 * @param path nodes in execution order
 */
export function bottlenecks(path: readonly Node[], sources: readonly Value[]): Node[] {
  const made = new Map<Value, number>(sources.map((v) => [v, -1]));
  path.forEach((n, i) => n.outputs.forEach((o) => made.set(o, i)));
  // The last reader on the path of everything computed up to each node.
  const lastReader = new Array<number>(path.length + 1).fill(-1);
  path.forEach((n, i) => {
    for (const v of contentsOf(n)) {
      const from = made.get(v);
      if (from !== undefined) lastReader[from + 1] = Math.max(lastReader[from + 1]!, i);
    }
  });
  let live = -1;
  return path.filter((_, i) => {
    live = Math.max(live, lastReader[i]!);
    return live <= i;
  });
}
