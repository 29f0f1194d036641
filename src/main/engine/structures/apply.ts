/**
 * Applies a plan: all choices together cut weights, operators adapt their attributes, kinds rewire the graph, and
 * unused nodes and values are removed. Pure: the given model is not changed.
 */
import { int, tensorAttr } from '../ir/attribute.ts';
import { everyNode } from '../ir/bodies.ts';
import { cloneModel, type Clone } from '../ir/clone.ts';
import { isFloat } from '../ir/dtype.ts';
import { lostDependence } from '../ir/dependence.ts';
import type { Facts } from '../ir/facts.ts';
import type { Model } from '../ir/model.ts';
import { Node } from '../ir/node.ts';
import { i64, type Tensor } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { isUnsupported, type RewriteContext } from '../ops/contract.ts';
import { operatorFor, traitsOf } from '../ops/registry.ts';
import { eliminateDead } from '../passes/eliminate-dead.ts';
import { constantOf, tensorOf } from './axes/constants.ts';
import { pinShapeArithmetic } from './axes/pin.ts';
import { mixedSizes } from './axes/mixed-sizes.ts';
import { keptIndices, type Removal } from './axes/removal.ts';
import { invalidPlan, readChoices, type AnyCut, type Choice } from './choices.ts';
import type { CutCopy, CutDraft, Subject } from './contract.ts';
import type { Follows } from './axes/follows.ts';
import type { Lookup } from './axes/relate.ts';
import { keepWholeSizes } from './axes/whole-sizes.ts';
import { sliceTensor } from './axes/slice-tensor.ts';
import type { ResidualBlock } from './axes/types.ts';

export interface Surgery {
  readonly model: Model;
  /** Original to pruned value, for values that remain. A replaced value maps to its replacement. */
  readonly values: Map<Value, Value>;
  /** Kept indices of an original value's axis, ascending, or null when all stay. */
  kept(value: Value, axis: number): readonly number[] | null;
  /** Pruned value to the original value that it replaces. */
  readonly aliases: Map<Value, Value>;
  /** The sums replaced by their shortcut, in execution order. */
  readonly bypassed: readonly ResidualBlock[];
}

/**
 * @throws SecateurError 'plan-invalid' when the plan names unknown structures or units, removes all units of a
 *   structure whose nodes stay, or leaves an output that no longer depends on an input
 */
export function applyPlan(
  { model, facts, structures }: Pick<Subject, 'model' | 'facts' | 'structures'>,
  plan: AnyCut,
  lookup: Lookup = operatorFor,
): Surgery {
  const choices = readChoices(structures, plan);
  const surgery = applyDraft({ model, facts }, draftOf(choices), lookup);
  const bypassed = choices.flatMap(({ structure: s, removed }) => (removed.length === s.units && s.bypass) || []);
  return { ...surgery, bypassed };
}

/** The parts of a cut: indices that it removes along axes, and edits of the graph after them. */
export interface Draft {
  readonly removal: Removal;
  readonly rewiring: readonly ((copy: CutCopy) => void)[];
}

/** Applies a draft to a copy. @throws SecateurError 'plan-invalid' when an output loses an input it depends on */
export function applyDraft(
  { model, facts }: Pick<Subject, 'model' | 'facts'>,
  { removal, rewiring }: Draft,
  lookup: Lookup = operatorFor,
): Omit<Surgery, 'bypassed'> {
  const clone = cloneModel(model);
  const shapeOf = (v: Value): readonly number[] => facts.get(v)?.shape ?? tensorOf(v)?.dims ?? [];
  const kept = (v: Value, axis: number): readonly number[] | null =>
    keptIndices(removal, v, axis, shapeOf(v)[axis] ?? 0);

  // Outputs of operators without rules are never cut.
  const whole = (n: Node): boolean => {
    const def = lookup(n.key);
    return !def || isUnsupported(def.prune);
  };
  const follows = pinShapeArithmetic(model, facts, removal, clone, whole);
  keepWholeSizes(model, facts, follows, clone, whole);
  for (const [original, axes] of removal) {
    const v = clone.values.get(original)!;
    const keep = shapeOf(original).map((_, axis) => (axes.has(axis) ? kept(original, axis) : null));
    sliceValue(v, keep);
  }
  const originals = new Map([...clone.values].map(([from, to]) => [to, from]));
  const looked = new Set(everyNode(model.graph));
  for (const [original, node] of clone.nodes) {
    if (!node.graph || !looked.has(original)) continue;
    const touched = [...original.inputs, ...original.outputs].some((v) => v && removal.get(v)?.size);
    // A size computed from a cut width, read where the data stays whole.
    const misled = original.inputs.some((v) => v && follows.has(v)) && !original.outputs.some((v) => follows.has(v));
    if (!touched && !misled) continue;
    const def = lookup(original.key);
    if (!def || isUnsupported(def.prune)) continue;
    const rewrite = new Rewrite(node, clone.model.opset, originals, facts, kept, follows);
    def.prune.rewrite?.(rewrite);
    if (node.graph) rewrite.restoreSizes(original);
  }
  const aliases = new Map<Value, Value>();
  const copy = copyOf(clone, aliases);
  for (const edit of rewiring) edit(copy);
  eliminateDead.run(clone.model);
  if (rewiring.length > 0) keepDependence(model, clone.model);
  const values = new Map([...clone.values].filter(([, to]) => to.graph !== null));
  return { model: clone.model, values, kept, aliases };
}

/** The indices that all choices remove, and their edits of the graph. */
function draftOf(choices: readonly Choice[]): Draft {
  const removal = new Map<Value, Map<number, Set<number>>>();
  const rewiring: ((copy: CutCopy) => void)[] = [];
  const draft: CutDraft = {
    gone: new Set(choices.flatMap(({ structure: s, removed }) => s.kind.shapes(s, removed).gone)),
    removeIndices(value, axis, indices) {
      const axes = removal.get(value) ?? new Map<number, Set<number>>();
      const set = axes.get(axis) ?? new Set<number>();
      for (const i of indices) set.add(i);
      if (set.size > 0) removal.set(value, axes.set(axis, set));
    },
    rewire: (edit) => void rewiring.push(edit),
    refuse: (reason) => {
      throw invalidPlan(reason);
    },
  };
  for (const { structure: s, removed } of choices) s.kind.apply(s, removed, draft);
  return { removal, rewiring };
}

/** Checks that after rewiring, every output depends on the same inputs as before. */
function keepDependence(before: Model, after: Model): void {
  const lost = lostDependence(before, after);
  if (!lost) return;
  const reason = `without the structures it removes, output ${lost.output} would not depend on input ${lost.input}`;
  throw invalidPlan(reason);
}

function sliceValue(v: Value, keep: readonly (readonly number[] | null)[]): void {
  if (v.initializer) v.initializer = sliceTensor(v.initializer, keep);
  else if (v.producer?.key === 'Constant') {
    const t = tensorOf(v)!;
    v.producer.attributes.clear();
    v.producer.attributes.set('value', tensorAttr(sliceTensor(t, keep)));
  }
  if (v.type?.shape)
    v.type = { ...v.type, shape: v.type.shape.map((d, i) => (typeof d === 'number' ? (keep[i]?.length ?? d) : d)) };
}

/** The copy that kinds edit. */
function copyOf(clone: Clone, aliases: Map<Value, Value>): CutCopy {
  const { graph } = clone.model;
  return {
    node: (n) => clone.nodes.get(n)!,
    value: (v) => clone.values.get(v)!,
    replace(value, by) {
      const [out, next] = [clone.values.get(value)!, clone.values.get(by)!];
      if (graph.outputs.includes(out)) {
        // The output keeps its name.
        const node = out.producer!;
        const behind = node.next;
        graph.remove(node, true);
        const identity = new Node('Identity', [next], [out], { name: node.name });
        if (behind) graph.insertBefore(behind, identity);
        else graph.append(identity);
      } else {
        out.replaceAllUsesWith(next);
        clone.values.set(value, next);
      }
      aliases.set(next, value);
    },
  };
}

class Rewrite implements RewriteContext {
  readonly node: Node;
  readonly opset: number;
  readonly #originals: ReadonlyMap<Value, Value>;
  readonly #facts: Facts;
  readonly #kept: (v: Value, axis: number) => readonly number[] | null;
  readonly #follows: Follows;
  /** Inputs that the operator's rule has set, or found correct. */
  readonly #set = new Set<number>();

  constructor(
    node: Node,
    opset: number,
    originals: ReadonlyMap<Value, Value>,
    facts: Facts,
    kept: (v: Value, axis: number) => readonly number[] | null,
    follows: Follows,
  ) {
    this.node = node;
    this.opset = opset;
    this.#originals = originals;
    this.#facts = facts;
    this.#kept = kept;
    this.#follows = follows;
  }

  /**
   * Restores sizes that follow a cut elsewhere, where the operator's own axes need the original sizes and the rule has
   * not set them.
   */
  restoreSizes(original: Node): void {
    for (const i of traitsOf(original).sizeInputs ?? []) {
      const v = original.input(i);
      const before = v && this.#follows.has(v) && !this.#set.has(i) ? this.#facts.get(v) : undefined;
      if (before?.constant && !isFloat(before.dtype)) this.setSizes(i, before.constant);
    }
  }

  #original(v: Value): Value {
    return this.#originals.get(v) ?? v;
  }
  shapeBefore(v: Value): readonly number[] {
    const o = this.#original(v);
    return this.#facts.get(o)?.shape ?? tensorOf(o)?.dims ?? [];
  }
  shapeAfter(v: Value): readonly number[] {
    return this.shapeBefore(v).map((n, axis) => this.kept(v, axis)?.length ?? n);
  }
  kept(v: Value, axis: number): readonly number[] | null {
    return this.#kept(this.#original(v), axis);
  }
  constant(v: Value | null): readonly number[] | null {
    return v && constantOf(this.#original(v), this.#facts);
  }
  isDynamic(v: Value, axis: number): boolean {
    return (this.#facts.get(this.#original(v))?.dynamic?.[axis] ?? null) !== null;
  }
  sameLength(v: Value, axis: number, other: Value, otherAxis: number): boolean {
    const lengths = (of: Value, a: number): (number | undefined)[] => {
      const fact = this.#facts.get(this.#original(of));
      return [this.shapeBefore(of)[a], ...(fact?.elsewhere?.map((shape) => shape?.[a]) ?? [])];
    };
    const [x, y] = [lengths(v, axis), lengths(other, otherAxis)];
    const count = Math.max(x.length, y.length);
    // A value of a fixed shape has the same shape at all sizes.
    const at = (of: typeof x, i: number): number | undefined => (of.length === 1 ? of[0] : of[i]);
    return Array.from({ length: count }, (_, i) => at(x, i)).every((n, i) => n !== undefined && n === at(y, i));
  }
  setInts(input: number, values: readonly number[]): void {
    this.setTensor(input, i64(values));
  }
  setSizes(input: number, values: readonly number[]): void {
    this.#set.add(input);
    const old = this.node.input(input);
    const fact = old && this.#facts.get(this.#original(old));
    const before = fact?.constant;
    if (!old || !before || !fact.varies || before.length !== values.length) return this.setInts(input, values);
    const original = this.#original(old);
    if (!this.#follows.has(original) && values.every((n, i) => n === before[i])) return;
    const sizes = mixedSizes(this.node, old, {
      dtype: fact.dtype,
      dims: fact.shape,
      before,
      after: values,
      varies: fact.varies,
      follows: (i) => this.#follows.get(original)?.[i] ?? false,
    });
    this.node.setInput(input, sizes);
  }
  setTensor(input: number, tensor: Tensor): void {
    this.#set.add(input);
    const graph = this.node.graph!;
    const base = this.node.input(input)?.name ?? `${this.node.output().name}_${input}`;
    this.node.setInput(input, graph.addInitializer(graph.freshName(base), tensor));
  }
  replaceByGather(axis: number, indices: readonly number[]): void {
    const { node } = this;
    const graph = node.graph!;
    const [data, next, outputs] = [node.input(0)!, node.next, [...node.outputs]];
    const at = graph.addInitializer(graph.freshName(`${node.output().name}_indices`), i64(indices));
    graph.remove(node, true);
    const gather = new Node('Gather', [data, at], outputs, { name: node.name, attributes: [['axis', int(axis)]] });
    if (next) graph.insertBefore(next, gather);
    else graph.append(gather);
  }
}
