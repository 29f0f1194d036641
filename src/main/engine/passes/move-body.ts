/** Copies the contents of a graph into the graph around it. */
import { copyNode, copyValue } from '../ir/clone.ts';
import type { Graph } from '../ir/graph.ts';
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';

/**
 * Copies its constants, each once.
 * @returns each with its copy
 */
export function copyInitializers(graph: Graph, body: Graph): Map<Value, Value> {
  const values = new Map<Value, Value>();
  for (const v of body.initializers) {
    const c = copyValue(v);
    c.name = graph.freshName(v.name);
    c.graph = graph;
    graph.initializers.add(c);
    values.set(v, c);
  }
  return values;
}

/**
 * Copies its nodes before `at`.
 * @param values replacements of its inputs and constants; extended by those of its other values
 * @param called the name of a copy, by that of its node; default: the same
 */
export function copyNodes(
  graph: Graph,
  body: Graph,
  at: Node,
  values: Map<Value, Value>,
  called: (name: string) => string = (name) => name,
): void {
  for (const n of body.nodes()) {
    const c = copyNode(n, values, new Map());
    if (c.name) c.name = called(c.name);
    for (const o of c.outputs) {
      if (o.name) o.name = graph.freshName(o.name);
      // Symbolic sizes of a body have no meaning outside of it and can collide with other names.
      if (!o.type?.raw) o.type = null;
    }
    graph.insertBefore(at, c);
  }
}
