/** Visits every node in execution order and lets its operator's prune rule join atoms. */
import { bodyLinks, everyNode, everyValue } from '../../ir/bodies.ts';
import { bitsOf, isFloat } from '../../ir/dtype.ts';
import type { Facts } from '../../ir/facts.ts';
import type { Model } from '../../ir/model.ts';
import type { Node } from '../../ir/node.ts';
import { capturedBy } from '../../ir/reads.ts';
import type { Value } from '../../ir/value.ts';
import {
  isUnsupported,
  type AxisRef,
  type OperatorDef,
  type PruneContext,
  type ReductionKind,
} from '../../ops/contract.ts';
import { readsSizes } from '../../ops/registry.ts';
import { AtomTable, describe } from './atoms.ts';
import { constantOf } from './constants.ts';

/** A contraction: index i of the activation's axis meets index to(i) of the weight's axis (-1: none). */
export interface SinkRecord {
  readonly node: Node;
  readonly activation: number;
  readonly weight: number;
  readonly to: (i: number) => number;
}

/** An axis that a node reduces, for any width. */
export interface ReductionRecord {
  readonly node: Node;
  readonly axis: number;
  readonly how: ReductionKind;
}

/** A softmax along the axes of its input and output. */
export interface WeighingRecord {
  readonly node: Node;
  readonly axis: number;
}

/**
 * Restricts the relations to the nodes behind a value, and reads its axes as positions of a sequence: they may be left
 * out of a softmax.
 */
export interface Tail {
  /** Top-level nodes behind the value. */
  readonly nodes: ReadonlySet<Node>;
  /** Outputs of the model that may become shorter. */
  readonly open: ReadonlySet<Value>;
}

/** A node with several valid readings. */
export interface ChoiceRecord {
  readonly node: Node;
  readonly readings: readonly string[];
  /** Readings that may hold at the same time. */
  readonly equal: readonly string[];
  readonly taken: string;
  /** Equal for nodes of one kind, which are switched together first. */
  readonly signature: string;
}

export interface Relations {
  readonly atoms: AtomTable;
  readonly sinks: readonly SinkRecord[];
  readonly reductions: readonly ReductionRecord[];
  readonly choices: readonly ChoiceRecord[];
  /** Only in a tail. */
  readonly weighings: readonly WeighingRecord[];
  /** Pairs of axes that a rule joined, per node, as a flat list: node, then pairs. */
  readonly links: ReadonlyMap<Node, readonly number[]>;
}

export type Lookup = (key: string) => OperatorDef | undefined;

/** Thrown when a rule needs a shape that the instrumented run did not give. */
class ShapeUnknown extends Error {}

class Context implements PruneContext {
  node!: Node;
  readonly opset: number;
  readonly facts: Facts;
  readonly atoms: AtomTable;
  readonly sinks: SinkRecord[] = [];
  readonly reductions: ReductionRecord[] = [];
  readonly choices: ChoiceRecord[] = [];
  readonly weighings: WeighingRecord[] = [];
  readonly positions: boolean;
  readonly forced: ReadonlyMap<Node, string>;
  readonly mentioned = new Set<number>();
  links: number[] = [];

  constructor(
    model: Model,
    facts: Facts,
    atoms: AtomTable,
    { forced, positions }: { readonly forced: ReadonlyMap<Node, string>; readonly positions: boolean },
  ) {
    this.positions = positions;
    this.opset = model.opset;
    this.facts = facts;
    this.atoms = atoms;
    this.forced = forced;
  }

  shape(v: Value): readonly number[] {
    const s = this.facts.get(v)?.shape ?? v.initializer?.dims;
    if (!s) throw new ShapeUnknown(v.name);
    return s;
  }
  constant(v: Value | null): readonly number[] | null {
    return constantOf(v, this.facts);
  }

  #id(a: AxisRef): number {
    const id = this.atoms.axis(a.value, a.axis);
    if (id >= 0) this.mentioned.add(id);
    return id;
  }
  #frozen(id: number, reason: string): void {
    if (id >= 0) this.atoms.freezeAxis(id, describe(this.node), reason);
  }

  same(a: AxisRef, b: AxisRef): void {
    const [x, y] = [this.#id(a), this.#id(b)];
    if (x < 0 || y < 0) return;
    const { atoms } = this;
    const n = atoms.extent[x]!;
    if (n !== atoms.extent[y]) {
      if (n !== 1) this.#frozen(x, 'extents differ');
      this.#frozen(y, 'extents differ');
      return;
    }
    this.links.push(x, y);
    const [p, q] = [atoms.first[x]!, atoms.first[y]!];
    if (p < 0 || q < 0) return;
    for (let i = 0; i < n; i++) atoms.union(p + i, q + i);
  }

  map(a: AxisRef, b: AxisRef, to: (i: number) => number): void {
    const [x, y] = [this.#id(a), this.#id(b)];
    if (x < 0 || y < 0) return;
    const { atoms } = this;
    const [p, q, m] = [atoms.first[x]!, atoms.first[y]!, atoms.extent[y]!];
    this.links.push(x, y);
    if (p < 0 && q < 0) return;
    const n = atoms.extent[x]!;
    // A single index always stays, and so does its counterpart.
    if (p < 0 || q < 0) {
      for (let i = 0; i < n; i++) {
        const j = to(i);
        if (j < 0 || j >= m) continue;
        atoms.freezeAtom(p < 0 ? q + j : p + i, describe(this.node), 'goes with the only index of another axis');
      }
      return;
    }
    for (let i = 0; i < n; i++) {
      const j = to(i);
      if (j >= 0 && j < m) atoms.union(p + i, q + j);
    }
  }

  sink(activation: AxisRef, weight: AxisRef, to: (i: number) => number = (i) => i): void {
    const [x, y] = [this.#id(activation), this.#id(weight)];
    if (x < 0 || y < 0) return;
    this.sinks.push({ node: this.node, activation: x, weight: y, to });
    this.map(activation, weight, to);
  }

  reduce(a: AxisRef, how: ReductionKind): void {
    const axis = this.#id(a);
    if (axis >= 0) this.reductions.push({ node: this.node, axis, how });
  }

  free(a: AxisRef): void {
    this.#id(a);
  }
  freeze(a: AxisRef, reason: string): void {
    this.#frozen(this.#id(a), reason);
  }
  pin(a: AxisRef, index: number, reason: string): void {
    const id = this.#id(a);
    const first = id < 0 ? -1 : this.atoms.first[id]!;
    if (first >= 0) this.atoms.freezeAtom(first + index, describe(this.node), reason);
  }
  weigh(from: AxisRef, to: AxisRef, reason: string): void {
    if (!this.positions) {
      this.freeze(from, reason);
      this.freeze(to, reason);
      return;
    }
    this.same(from, to);
    const axis = this.#id(from);
    if (axis >= 0) this.weighings.push({ node: this.node, axis });
  }
  isFrozen(a: AxisRef): boolean {
    const id = this.atoms.axis(a.value, a.axis);
    return id < 0 || this.atoms.isAxisFrozen(id);
  }

  choose<const T extends string>(readings: readonly T[], equal: readonly T[] = []): T {
    const wanted = this.forced.get(this.node);
    const taken = readings.find((r) => r === wanted) ?? readings[0]!;
    // Shape arithmetic has no units under any reading.
    const kind = this.facts.get(this.node.output())?.dtype;
    if (readings.length > 1 && (kind === undefined || isFloat(kind))) {
      const shapes = this.node.outputs.map((o) => this.facts.get(o)?.shape.join('x')).join();
      const from = this.node.input(0);
      const signature = `${this.node.key} ${from ? this.facts.get(from)?.shape.join('x') : ''} ${shapes}`;
      this.choices.push({ node: this.node, readings, equal, taken, signature });
    }
    return taken;
  }
}

export function relate(
  model: Model,
  facts: Facts,
  lookup: Lookup,
  forced: ReadonlyMap<Node, string> = new Map(),
  tail?: Tail,
): Relations {
  const { graph } = model;
  const atoms = new AtomTable(graph, facts);
  for (const v of graph.inputs) if (!v.isInitializer) atoms.freezeValue(v, 'model input', `model input ${v.name}`);
  for (const v of everyValue(graph))
    if (v.initializer && (bitsOf(v.initializer.dtype) ?? 0) % 8 !== 0)
      atoms.freezeValue(v, 'initializer', `${v.name} packs several elements in a byte`);
  for (const v of graph.outputs) if (!tail?.open.has(v)) atoms.freezeValue(v, 'model output', `model output ${v.name}`);
  const ctx = new Context(model, facts, atoms, { forced, positions: tail !== undefined });
  const links = new Map<Node, readonly number[]>();
  for (const node of tail?.nodes ?? everyNode(graph)) {
    // Values that a body reads are related at the node that runs the body. Other subgraphs are not followed, including
    // those in bodies.
    const body = node.graph === graph ? bodyLinks(node) : null;
    if (!body)
      for (const v of capturedBy(node)) atoms.freezeValue(v, describe(node), `read inside the body of ${node.key}`);
    // Arithmetic that follows from a size in a body is not rewritten.
    if (node.graph !== graph && readsSizes(node))
      for (const v of node.inputs) if (v) atoms.freezeValue(v, describe(node), 'its size is read inside a body');
    ctx.node = node;
    ctx.mentioned.clear();
    ctx.links = [];
    const reason = visit(ctx, lookup(node.key));
    const around = body ? [...body.body.inputs, ...body.body.outputs] : [];
    for (const v of new Set([...node.inputs, ...node.outputs, ...around])) {
      if (!v || !v.name) continue;
      const shape = facts.get(v)?.shape ?? v.initializer?.dims ?? [];
      for (let axis = 0; axis < shape.length; axis++) {
        const id = atoms.axis(v, axis);
        if (id >= 0 && !ctx.mentioned.has(id)) atoms.freezeAxis(id, describe(node), reason);
      }
    }
    links.set(node, ctx.links);
  }
  return { atoms, sinks: ctx.sinks, reductions: ctx.reductions, choices: ctx.choices, weighings: ctx.weighings, links };
}

/** Runs one rule. Returns the reason why the axes it did not mention must stay. */
function visit(ctx: Context, def: OperatorDef | undefined): string {
  const { node } = ctx;
  if (!def) return `there is no rule for operator ${node.key}`;
  if (isUnsupported(def.prune)) return `${node.key}: ${def.prune.unsupported}`;
  try {
    def.prune.relate(ctx);
  } catch (e) {
    if (!(e instanceof ShapeUnknown)) throw e;
    ctx.mentioned.clear();
    return `the shape of ${e.message} is not known`;
  }
  return `${node.key} needs this axis whole`;
}
