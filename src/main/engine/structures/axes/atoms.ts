/**
 * Atoms: one per index of every axis (of extent > 1) of every value, joined by union-find. A class of atoms must be
 * removed together. Flat typed arrays, because a large model has millions of atoms.
 */
import { everyValue } from '../../ir/bodies.ts';
import type { Facts } from '../../ir/facts.ts';
import type { Graph } from '../../ir/graph.ts';
import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';

/** The reason why an axis must stay whole. */
export interface Block {
  readonly operator: string;
  readonly reason: string;
}

/** Longer axes stay whole and get no atoms: no channel axis is that long. */
const MAX_EXTENT = 1 << 20;

export class AtomTable {
  /** Dense number of axis 0 of each value; axis k is base + k. */
  readonly #axisBase = new Map<Value, number>();
  readonly axisValue: Value[] = [];
  readonly axisIndex: number[] = [];
  /** First atom and extent per axis; axes of extent 1 have no atoms (first = -1). */
  readonly first: number[] = [];
  readonly extent: number[] = [];
  readonly atoms: number;
  readonly #parent: Int32Array;
  readonly #size: Int32Array;
  /** Index into `blocks` plus one, per root; 0 = not frozen. */
  readonly #frozen: Int32Array;
  readonly blocks: Block[] = [];

  constructor(graph: Graph, facts: Facts) {
    let atoms = 0;
    for (const v of everyValue(graph)) {
      const shape = facts.get(v)?.shape ?? v.initializer?.dims;
      if (!shape || this.#axisBase.has(v)) continue;
      this.#axisBase.set(v, this.axisValue.length);
      shape.forEach((n, axis) => {
        this.axisValue.push(v);
        this.axisIndex.push(axis);
        this.extent.push(n);
        const has = n > 1 && n <= MAX_EXTENT;
        this.first.push(has ? atoms : -1);
        if (has) atoms += n;
      });
    }
    this.atoms = atoms;
    this.#parent = Int32Array.from({ length: atoms }, (_, i) => i);
    this.#size = new Int32Array(atoms).fill(1);
    this.#frozen = new Int32Array(atoms);
  }

  get axes(): number {
    return this.axisValue.length;
  }
  has(v: Value): boolean {
    return this.#axisBase.has(v);
  }
  /** Dense axis number, or -1 for unknown values or axes. */
  axis(v: Value, axis: number): number {
    const base = this.#axisBase.get(v);
    if (base === undefined) return -1;
    return this.axisValue[base + axis] === v ? base + axis : -1;
  }

  find(a: number): number {
    const p = this.#parent;
    while (p[a] !== a) {
      p[a] = p[p[a]!]!;
      a = p[a]!;
    }
    return a;
  }

  union(a: number, b: number): void {
    a = this.find(a);
    b = this.find(b);
    if (a === b) return;
    if (this.#size[a]! < this.#size[b]!) [a, b] = [b, a];
    this.#parent[b] = a;
    this.#size[a]! += this.#size[b]!;
    const [fa, fb] = [this.#frozen[a]!, this.#frozen[b]!];
    // The earlier reason wins, because it is usually the nearest to the class's own operators.
    if (fb && (!fa || fb < fa)) this.#frozen[a] = fb;
  }

  /** The reason an atom's class is frozen, or null. */
  blockOf(atom: number): Block | null {
    const f = this.#frozen[this.find(atom)]!;
    return f ? this.blocks[f - 1]! : null;
  }

  freezeAxis(axisId: number, operator: string, reason: string): void {
    const at = this.first[axisId]!;
    if (at < 0) return;
    let number = 0;
    for (let i = at, end = at + this.extent[axisId]!; i < end; i++) {
      const r = this.find(i);
      if (this.#frozen[r]) continue;
      if (!number) number = this.blocks.push({ operator, reason });
      this.#frozen[r] = number;
    }
  }

  freezeAtom(atom: number, operator: string, reason: string): void {
    const r = this.find(atom);
    if (!this.#frozen[r]) this.#frozen[r] = this.blocks.push({ operator, reason });
  }

  /** Freezes every axis of a value. */
  freezeValue(v: Value, operator: string, reason: string): void {
    const base = this.#axisBase.get(v);
    if (base === undefined) return;
    for (let a = base; this.axisValue[a] === v; a++) this.freezeAxis(a, operator, reason);
  }

  isAxisFrozen(axisId: number): boolean {
    const at = this.first[axisId]!;
    if (at < 0) return this.extent[axisId]! !== 1; // too long to have atoms
    for (let i = at, end = at + this.extent[axisId]!; i < end; i++) if (!this.#frozen[this.find(i)]) return false;
    return true;
  }
}

export const describe = (node: Node): string => `${node.key} ${node.label}`;
