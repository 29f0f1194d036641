import type { Node } from './node.ts';
import type { Value } from './value.ts';

/**
 * Sorts nodes so that each follows the nodes it reads from, and keeps the given order where possible. `captured` names
 * outer values that a node's subgraphs read. Returns null when the nodes form a cycle.
 */
export function orderNodes(
  nodes: readonly Node[],
  captured: (n: Node) => Iterable<Value> | undefined,
): readonly Node[] | null {
  const WAITING = 1,
    DONE = 2;
  const members = new Set(nodes);
  const state = new Map<Node, number>();
  const ordered: Node[] = [];

  function* reads(n: Node): Iterable<Node> {
    for (const v of n.inputs) if (v?.producer && members.has(v.producer)) yield v.producer;
    for (const v of captured(n) ?? []) if (v.producer && members.has(v.producer)) yield v.producer;
  }

  // An explicit stack: a chain of nodes in reverse order can exceed the call stack.
  const stack: { node: Node; rest: Iterator<Node> }[] = [];
  const enter = (node: Node): void => {
    state.set(node, WAITING);
    stack.push({ node, rest: reads(node)[Symbol.iterator]() });
  };
  for (const start of nodes) {
    if (state.has(start)) continue;
    enter(start);
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const step = top.rest.next();
      if (step.done) {
        state.set(top.node, DONE);
        ordered.push(top.node);
        stack.pop();
        continue;
      }
      const s = state.get(step.value);
      if (s === WAITING) return null;
      if (s === undefined) enter(step.value);
    }
  }
  return ordered;
}
