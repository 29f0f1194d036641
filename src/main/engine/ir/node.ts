import type { Attribute } from './attribute.ts';
import type { Graph } from './graph.ts';
import { Value } from './value.ts';

export class Node {
  readonly domain: string;
  readonly opType: string;
  overload = '';
  name: string;
  docString = '';
  readonly attributes: Map<string, Attribute>;
  metadata: ReadonlyMap<string, string> = new Map();
  /** Unknown fields of the NodeProto, encoded. */
  unknown: Uint8Array | null = null;
  graph: Graph | null = null;
  /** Neighbours in the graph's order; only Graph writes them. */
  prev: Node | null = null;
  next: Node | null = null;
  #inputs: (Value | null)[] = [];
  #outputs: Value[] = [];

  constructor(
    opType: string,
    inputs: readonly (Value | null)[],
    outputs: readonly Value[],
    options: { domain?: string; name?: string; attributes?: Iterable<readonly [string, Attribute]> } = {},
  ) {
    this.opType = opType;
    this.domain = options.domain === 'ai.onnx' ? '' : (options.domain ?? '');
    this.name = options.name ?? '';
    this.attributes = new Map(options.attributes);
    inputs.forEach((v, i) => this.setInput(i, v));
    outputs.forEach((v, i) => this.setOutput(i, v));
  }

  /** `domain::opType`, with the default domain left out. */
  get key(): string {
    return this.domain ? `${this.domain}::${this.opType}` : this.opType;
  }
  /** A name for display: its own, or one made from its first output. */
  get label(): string {
    return this.name || `${this.opType}(${this.#outputs.find((o) => o.name)?.name ?? ''})`;
  }
  get inputs(): readonly (Value | null)[] {
    return this.#inputs;
  }
  /** An omitted optional output is a Value with an empty name. */
  get outputs(): readonly Value[] {
    return this.#outputs;
  }
  input(i: number): Value | null {
    return this.#inputs[i] ?? null;
  }
  output(i = 0): Value {
    return this.#outputs[i]!;
  }

  setInput(i: number, v: Value | null): void {
    while (this.#inputs.length < i) this.#inputs.push(null);
    this.#inputs[i]?.removeUse(this, i);
    this.#inputs[i] = v;
    v?.addUse(this, i);
  }

  /** Drops trailing inputs beyond `n`. */
  truncateInputs(n: number): void {
    for (let i = n; i < this.#inputs.length; i++) this.#inputs[i]?.removeUse(this, i);
    this.#inputs.length = Math.min(n, this.#inputs.length);
  }

  setOutput(i: number, v: Value): void {
    const old = this.#outputs[i];
    if (old && old !== v) {
      old.producer = null;
      old.graph = null;
    }
    this.#outputs[i] = v;
    v.producer = this;
    v.index = i;
    v.graph = this.graph;
  }

  truncateOutputs(n: number): void {
    for (const v of this.#outputs.splice(n)) {
      v.producer = null;
      v.graph = null;
    }
  }

  /** Detaches every input. The node must not be used afterwards. */
  detachInputs(): void {
    this.truncateInputs(0);
  }

  /** Subgraphs held by attributes (If, Loop, Scan, ...). */
  *subgraphs(): Iterable<Graph> {
    for (const a of this.attributes.values()) {
      if (a.kind === 'graph') yield a.value;
      else if (a.kind === 'graphs') yield* a.value;
    }
  }
}
