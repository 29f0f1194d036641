import type { Graph } from './graph.ts';
import type { Node } from './node.ts';
import type { Tensor } from './tensor.ts';

/** One axis of a declared shape: a size, a name (dynamic) or null (unknown). */
export type Dim = number | string | null;

export interface ValueType {
  readonly elemType: number;
  /** Absent when only the element type is declared. */
  readonly shape?: readonly Dim[];
  /** Sequences, maps, optionals, sparse tensors, denotations: the encoded TypeProto, written back unchanged. */
  readonly raw?: Uint8Array;
}

export interface Use {
  readonly node: Node;
  readonly index: number;
}

/**
 * An edge of the graph. Linked by identity: nodes hold Values, Values know their producer and their uses. The name
 * matters only at the boundaries (files, the runtime).
 */
export class Value {
  name: string;
  type: ValueType | null = null;
  /** The node that computes it, or null for graph inputs, initializers and values of an outer scope. */
  producer: Node | null = null;
  /** Output index at the producer. */
  index = 0;
  /** The data, when this value is an initializer. */
  initializer: Tensor | null = null;
  /** A SparseTensorProto initializer, kept encoded. */
  sparse: Uint8Array | null = null;
  /** The graph that owns it as input, initializer or node output. */
  graph: Graph | null = null;
  docString = '';
  metadata: ReadonlyMap<string, string> = new Map();
  /** Unknown fields of the ValueInfoProto, encoded. */
  unknown: Uint8Array | null = null;
  readonly #uses = new Map<Node, Set<number>>();

  constructor(name: string, type: ValueType | null = null) {
    this.name = name;
    this.type = type;
  }

  /** A snapshot, so the graph may be changed while iterating. Uses inside subgraphs are included. */
  uses(): Use[] {
    const out: Use[] = [];
    for (const [node, at] of this.#uses) for (const index of at) out.push({ node, index });
    return out;
  }

  /** Distinct nodes that read this value. */
  consumers(): Node[] {
    return [...this.#uses.keys()];
  }
  get isUsed(): boolean {
    return this.#uses.size > 0;
  }
  get isGraphInput(): boolean {
    return this.graph !== null && this.graph.inputs.includes(this);
  }
  get isGraphOutput(): boolean {
    return this.graph !== null && this.graph.outputs.includes(this);
  }
  get isInitializer(): boolean {
    return this.initializer !== null || this.sparse !== null;
  }

  /**
   * Makes every reader, and graph outputs, read `other` instead. The caller must rename `other` where graph outputs
   * should keep their name.
   */
  replaceAllUsesWith(other: Value): void {
    if (other === this) return;
    for (const { node, index } of this.uses()) node.setInput(index, other);
    if (this.graph)
      this.graph.outputs.forEach((v, i, a) => {
        if (v === this) a[i] = other;
      });
  }

  /** Only Node calls these. */
  addUse(node: Node, index: number): void {
    const at = this.#uses.get(node);
    if (at) at.add(index);
    else this.#uses.set(node, new Set([index]));
  }
  removeUse(node: Node, index: number): void {
    const at = this.#uses.get(node);
    if (!at) return;
    at.delete(index);
    if (at.size === 0) this.#uses.delete(node);
  }
}
