/** The part of a graph behind a set of values, and how it is given other inputs. */
import { copyNode } from '../../../ir/clone.ts';
import type { Graph } from '../../../ir/graph.ts';
import type { Node } from '../../../ir/node.ts';
import { orderNodes } from '../../../ir/order.ts';
import { capturedBy } from '../../../ir/reads.ts';
import type { Value } from '../../../ir/value.ts';
import { dependents } from './flow.ts';

/** Nodes that depend on values, in execution order. */
export function tailOf(graph: Graph, frontier: readonly Value[]): ReadonlySet<Node> {
  const behind = dependents(graph, frontier);
  const own = new Set(frontier);
  const isBehind = (n: Node): boolean => n.outputs.some((o) => behind.has(o) && !own.has(o));
  return new Set([...graph.nodes()].filter(isBehind));
}

/** Removes the declared shape, whose names of axes stand for other sizes than before. The element type stays. */
export function forgetShape(v: Value): void {
  if (v.type && !v.type.raw) v.type = { elemType: v.type.elemType };
}

/**
 * Computes values anew from other inputs: every node between the given values and a wanted one is copied once, at the
 * end of the graph.
 */
export class Replay {
  readonly #graph: Graph;
  readonly #copies: Map<Value, Value>;
  readonly #changed = new Map<Value, boolean>();

  /** @param given values and what takes their place */
  constructor(graph: Graph, given: ReadonlyMap<Value, Value>) {
    this.#graph = graph;
    this.#copies = new Map(given);
    for (const v of given.keys()) this.#changed.set(v, true);
  }

  /** The value computed from what takes the place of the given ones; itself where it depends on none of them. */
  of(v: Value): Value {
    const known = this.#copies.get(v);
    if (known) return known;
    if (!this.#depends(v)) return v;
    const node = v.producer!;
    const inputs = new Map<Value, Value>();
    for (const x of node.inputs) if (x) inputs.set(x, this.of(x));
    const copy = copyNode(node, inputs, new Map());
    copy.name = '';
    copy.outputs.forEach((o, i) => {
      if (o.name) o.name = this.#graph.freshName(o.name);
      forgetShape(o);
      this.#copies.set(node.outputs[i]!, o);
    });
    this.#graph.append(copy);
    return this.#copies.get(v)!;
  }

  #depends(v: Value): boolean {
    const known = this.#changed.get(v);
    if (known !== undefined) return known;
    this.#changed.set(v, false);
    const depends = v.producer?.inputs.some((x) => x !== null && this.#depends(x)) ?? false;
    this.#changed.set(v, depends);
    return depends;
  }
}

/** Puts nodes that were appended at the end behind what they read. */
export function sortGraph(graph: Graph): void {
  const ordered = orderNodes([...graph.nodes()], capturedBy);
  if (!ordered) throw new Error('the graph has a cycle');
  for (const n of ordered) {
    const inputs = [...n.inputs];
    graph.remove(n, true);
    inputs.forEach((v, i) => n.setInput(i, v));
    graph.append(n);
  }
}
