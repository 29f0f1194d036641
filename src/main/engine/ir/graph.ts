import type { Attribute } from './attribute.ts';
import { Node } from './node.ts';
import type { Tensor } from './tensor.ts';
import { Value, type ValueType } from './value.ts';

/**
 * Nodes in execution order (a doubly linked list: iteration survives insertion and removal), inputs, outputs and
 * initializers. A subgraph's nodes may read Values of an outer graph directly.
 */
export class Graph {
  name = '';
  docString = '';
  readonly inputs: Value[] = [];
  readonly outputs: Value[] = [];
  readonly initializers = new Set<Value>();
  metadata: ReadonlyMap<string, string> = new Map();
  /** Quantization annotations and unknown fields, encoded. */
  unknown: Uint8Array | null = null;
  /** For a subgraph: the outermost graph, whose names it must not reuse. Set when models are read and copied. */
  outermost: Graph | null = null;
  #first: Node | null = null;
  #last: Node | null = null;
  #count = 0;
  #names: Set<string> | null = null;

  get nodeCount(): number {
    return this.#count;
  }
  get firstNode(): Node | null {
    return this.#first;
  }
  get lastNode(): Node | null {
    return this.#last;
  }

  /** Iterates in order. During iteration, the current node may be removed and nodes may be inserted anywhere. */
  *nodes(): Generator<Node> {
    let n = this.#first;
    while (n) {
      const next = n.next;
      yield n;
      // If the current node stayed, its present link is followed, so that nodes inserted after it are visited.
      n = n.graph === this ? n.next : next;
      while (n && n.graph !== this) n = n.next;
    }
  }
  *nodesReversed(): Generator<Node> {
    let n = this.#last;
    while (n) {
      const prev = n.prev;
      yield n;
      n = n.graph === this ? n.prev : prev;
      while (n && n.graph !== this) n = n.prev;
    }
  }

  append(node: Node): Node {
    return this.#link(node, this.#last, null);
  }
  insertBefore(at: Node, node: Node): Node {
    return this.#link(node, at.prev, at);
  }
  insertAfter(at: Node, node: Node): Node {
    return this.#link(node, at, at.next);
  }

  #link(node: Node, prev: Node | null, next: Node | null): Node {
    if (node.graph) throw new Error(`node ${node.label} is in a graph already`);
    node.graph = this;
    node.prev = prev;
    node.next = next;
    if (prev) prev.next = node;
    else this.#first = node;
    if (next) next.prev = node;
    else this.#last = node;
    this.#count++;
    for (const o of node.outputs) {
      o.graph = this;
      this.#names?.add(o.name);
    }
    return node;
  }

  /** Removes the node. Its outputs must have no readers left unless `force`. */
  remove(node: Node, force = false): void {
    if (node.graph !== this) throw new Error(`node ${node.label} is not in this graph`);
    if (!force)
      for (const o of node.outputs)
        if (o.isUsed || this.outputs.includes(o)) throw new Error(`output ${o.name} of ${node.label} is still used`);
    node.detachInputs();
    if (node.prev) node.prev.next = node.next;
    else this.#first = node.next;
    if (node.next) node.next.prev = node.prev;
    else this.#last = node.prev;
    node.graph = null;
    // prev/next are kept, so that a running iteration continues.
    this.#count--;
    for (const o of node.outputs) o.graph = null;
  }

  addInput(name: string, type: ValueType | null): Value {
    const v = new Value(name, type);
    v.graph = this;
    this.inputs.push(v);
    this.#names?.add(name);
    return v;
  }

  addInitializer(name: string, tensor: Tensor): Value {
    const v = new Value(name, { elemType: tensor.dtype, shape: [...tensor.dims] });
    v.initializer = tensor;
    v.graph = this;
    this.initializers.add(v);
    this.#names?.add(name);
    return v;
  }

  removeInitializer(v: Value): void {
    this.initializers.delete(v);
    if (!this.inputs.includes(v)) v.graph = null;
    v.initializer = null;
  }

  /** Creates and appends a node with fresh outputs; returns the outputs. */
  emit(
    opType: string,
    inputs: readonly (Value | null)[],
    options: {
      domain?: string;
      name?: string;
      attributes?: Iterable<readonly [string, Attribute]>;
      outputs?: number;
      outputName?: string;
      before?: Node;
    } = {},
  ): Value[] {
    const base = options.outputName ?? options.name ?? opType;
    const outs = Array.from({ length: options.outputs ?? 1 }, () => new Value(this.freshName(base)));
    const node = new Node(opType, inputs, outs, options);
    if (options.before) this.insertBefore(options.before, node);
    else this.append(node);
    return outs;
  }

  /** A name that no value of this graph has. Subgraphs share the name space and are included. */
  freshName(base: string): string {
    if (this.outermost) return this.outermost.freshName(base);
    this.#names ??= new Set(this.#allNames());
    let name = base;
    for (let i = 1; this.#names.has(name); i++) name = `${base}_${i}`;
    this.#names.add(name);
    return name;
  }

  *#allNames(): Iterable<string> {
    for (const v of this.inputs) yield v.name;
    for (const v of this.initializers) yield v.name;
    for (const n of this.nodes()) {
      for (const o of n.outputs) yield o.name;
      for (const g of n.subgraphs()) yield* g.#allNames();
    }
  }

  /** Every value: inputs, initializers and node outputs (without omitted outputs). */
  *values(): Iterable<Value> {
    yield* this.inputs;
    for (const v of this.initializers) if (!this.inputs.includes(v)) yield v;
    for (const n of this.nodes()) for (const o of n.outputs) if (o.name) yield o;
  }

  findValue(name: string): Value | undefined {
    for (const v of this.values()) if (v.name === name) return v;
    return undefined;
  }
}

/** Links the subgraphs of a graph to the outermost graph: an inner name must not hide an outer one. */
export function shareNames(graph: Graph, outermost = graph): void {
  for (const n of graph.nodes())
    for (const sub of n.subgraphs()) {
      sub.outermost = outermost;
      shareNames(sub, outermost);
    }
}
