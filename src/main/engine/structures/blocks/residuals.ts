/**
 * Residual branches that can be dropped. A branch is the set of nodes whose results reach the rest of the model only
 * through one Add, and whose inputs also feed the other addend (the shortcut). The shortcut depends on every input of
 * the model that the branch depends on, so dropping any set of branches leaves every output depending on the same
 * inputs. An added noise or embedding is therefore not a shortcut.
 */
import { inputDependence } from '../../ir/dependence.ts';
import type { Facts } from '../../ir/facts.ts';
import type { Model } from '../../ir/model.ts';
import type { Node } from '../../ir/node.ts';
import { givenOut, readsOf } from '../../ir/reads.ts';
import type { Value } from '../../ir/value.ts';
import { weightLike } from '../axes/constants.ts';
import type { ResidualBlock } from '../axes/types.ts';
import { describe } from '../axes/atoms.ts';
import type { Skipped } from '../../../../shared/model/types.ts';
import { traitsOf } from '../../ops/registry.ts';

const isLinear = (n: Node): boolean => traitsOf(n).linear !== undefined;
/** A shortcut with more linear operators counts as a second path. */
const SHORTCUT_LINEAR = 1;

export interface Residuals {
  /** Every droppable branch, nested ones too, in execution order of their sums. */
  readonly blocks: readonly ResidualBlock[];
  /** Branches refused only because their shortcut lacks a dependence on an input. */
  readonly refused: readonly Skipped[];
}

/** Finds every droppable branch, and the refused ones. */
export function findResiduals(model: Model, facts: Facts): Residuals {
  const weights = weightLike(model.graph, facts);
  const given = givenOut(model.graph);
  const depends = inputDependence(model);
  /** The reason why the branch cannot be dropped, or null. */
  const missing = (shortcut: Value, branch: Value): string | null => {
    const bits = depends.get(shortcut) ?? 0n;
    if (bits === 0n) return 'what it is added to depends on no input of the model';
    const more = (depends.get(branch) ?? 0n) & ~bits;
    const names = model.graph.inputs.filter((_, i) => more & (1n << BigInt(i))).map((v) => v.name);
    return names.length > 0 ? `the input ${names.join(', ')} enters by it, and not by its shortcut` : null;
  };
  const order = new Map([...model.graph.nodes()].map((n, i) => [n, i]));
  const out: ResidualBlock[] = [];
  const refused: Skipped[] = [];
  const ids = new Map<string, number>();
  const named = (base: string): string => {
    const n = ids.get(base) ?? 0;
    ids.set(base, n + 1);
    return n ? `${base}#${n + 1}` : base;
  };
  for (const add of model.graph.nodes()) {
    if (!traitsOf(add).sum || add.inputs.length !== 2) continue;
    const [a, b] = [add.input(0)!, add.input(1)!];
    if (a === b || weights.has(a) || weights.has(b)) continue;
    const extent = extentOf(add.output(), facts);
    if (extent === null || extentOf(a, facts) !== extent || extentOf(b, facts) !== extent) continue;
    const [sideA, sideB] = [exclusive(a, add, order, weights, given), exclusive(b, add, order, weights, given)];
    const either = [candidate(a, b, sideA, sideB), candidate(b, a, sideB, sideA)].filter((c) => c !== null);
    const found = either.find((c) => missing(c.shortcut, c.branch) === null);
    if (found) out.push({ id: named(baseOf(found)), add, ...found });
    else
      for (const c of either.slice(0, 1)) {
        const reason = missing(c.shortcut, c.branch)!;
        refused.push({ group: named(`block ${baseOf(c)}`), operator: describe(add), reason });
      }
  }
  return { blocks: out, refused };
}

/** The name of a block: the last linear operator of its branch. */
const baseOf = (c: { readonly nodes: readonly Node[] }): string => c.nodes.filter(isLinear).at(-1)!.label;

/**
 * Sizes and names of dynamic axes. Names matter because an addend that is broadcast along a dynamic axis can have the
 * same size in the facts.
 */
function extentOf(v: Value, facts: Facts): string | null {
  const f = facts.get(v);
  return f ? f.shape.map((n, axis) => f.dynamic?.[axis] ?? n).join() : null;
}

interface Side {
  /** Nodes that only this addend needs, in execution order. */
  readonly nodes: Node[];
  /** Activations that these nodes read; the addend itself where there are no such nodes. */
  readonly entries: ReadonlySet<Value>;
  readonly linear: number;
}

/** All nodes computed only for `end`, where `add` is the only reader of `end`. */
function exclusive(
  end: Value,
  add: Node,
  order: ReadonlyMap<Node, number>,
  weights: ReadonlySet<Value>,
  given: ReadonlySet<Value>,
): Side {
  const inside = new Set<Node>();
  const entries = new Set<Value>();
  // Latest first: when a node is visited, all of its readers that can be included already are.
  const waiting = new Set<Value>([end]);
  while (waiting.size) {
    let next: Value | null = null;
    for (const v of waiting) if (!next || position(v) > position(next)) next = v;
    waiting.delete(next!);
    const node = next!.producer;
    const own =
      node !== null &&
      order.has(node) &&
      node.outputs.every((o) => !given.has(o) && o.consumers().every((c) => inside.has(c) || (c === add && o === end)));
    if (!own) {
      entries.add(next!);
      continue;
    }
    inside.add(node);
    for (const o of node.outputs) waiting.delete(o);
    for (const v of readsOf(node)) if (!weights.has(v)) waiting.add(v);
  }
  const nodes = [...inside].sort((p, q) => order.get(p)! - order.get(q)!);
  return { nodes, entries, linear: nodes.filter(isLinear).length };

  function position(v: Value): number {
    return v.producer ? (order.get(v.producer) ?? -1) : -1;
  }
}

/** The first addend as a branch, or null: the shortcut must start from the same values and be the shorter path. */
function candidate(
  branch: Value,
  shortcut: Value,
  b: Side,
  s: Side,
): Pick<ResidualBlock, 'shortcut' | 'branch' | 'nodes'> | null {
  if (b.linear === 0 || s.linear > SHORTCUT_LINEAR || s.linear > b.linear) return null;
  if (s.linear === b.linear && s.nodes.length >= b.nodes.length) return null;
  for (const v of s.entries) if (!b.entries.has(v)) return null;
  return { shortcut, branch, nodes: b.nodes };
}
