/**
 * The reference for every cut: the same model with units masked instead of removed. Channels are multiplied by 0 or 1
 * where contractions read them. `gateModel` turns the factors into inputs, so that one session evaluates any plan.
 */
import { int } from '../ir/attribute.ts';
import { cloneModel, type Clone } from '../ir/clone.ts';
import { DType } from '../ir/dtype.ts';
import type { Facts } from '../ir/facts.ts';
import type { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import { f32, i64 } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { insertFactors, insertReductions, scaleInput, type Factor } from './axes/factors.ts';
import type { Analysis, Group } from './axes/types.ts';
import { readChoices, type AnyCut, type Choice } from './choices.ts';
import type { Analysed, Gate, MaskDraft, Subject } from './contract.ts';

/**
 * A copy in which the plan's removed units contribute nothing; all shapes stay.
 * @throws SecateurError 'plan-invalid' for unknown structures or units
 */
export function maskModel(from: Subject, plan: AnyCut): Model {
  const clone = cloneModel(from.model);
  const choices = readChoices(from.structures, plan);
  maskChoices(choices, { ...from, clone });
  return clone.model;
}

/** Masks choices in an existing copy. */
export function maskChoices(
  choices: readonly Choice[],
  { facts, analysis, clone }: Pick<Analysed, 'facts' | 'analysis'> & { readonly clone: Clone },
): void {
  const { graph } = clone.model;
  const draft = new Drafting({ facts, analysis, clone });
  for (const { structure, removed } of choices) {
    const fixed = new Float32Array(structure.units).fill(1);
    for (const u of removed) fixed[u] = 0;
    const gate = {
      units: structure.units,
      fixed,
      get vector() {
        return graph.addInitializer(graph.freshName('gate'), f32(fixed, [fixed.length]));
      },
    };
    structure.kind.mask(structure, gate, draft);
  }
  draft.finish();
}

export interface Gated {
  readonly model: Model;
  /** Structure id to the name of its gate: float32 [units]. */
  readonly gates: ReadonlyMap<string, string>;
}

/** A copy with one gate input per structure. All ones: the original; zeros: removed; fractions: attenuated. */
export function gateModel({ model, facts, analysis, structures }: Subject): Gated {
  const clone = cloneModel(model);
  const { graph } = clone.model;
  const draft = new Drafting({ facts, analysis, clone });
  const gates = new Map<string, string>();
  for (const [i, s] of structures.entries()) {
    const vector = graph.addInput(graph.freshName(`gate_${i}`), { elemType: DType.FLOAT, shape: [s.units] });
    gates.set(s.id, vector.name);
    s.kind.mask(s, { units: s.units, fixed: null, vector }, draft);
  }
  draft.finish();
  return { model: clone.model, gates };
}

/** Units of one structure along an axis. */
interface Part {
  readonly gate: Gate;
  /** Indices of the axis per unit. */
  readonly indices: readonly (readonly number[])[];
}

/** Collects the gates of all structures. Axes are multiplied once, by the gates of all structures that share them. */
class Drafting implements MaskDraft {
  readonly #facts: Facts;
  readonly #analysis: Analysis;
  readonly #clone: Clone;
  readonly #first: Node | null;
  readonly #parts = new Map<Value, Map<number, Part[]>>();
  readonly #inputs: { readonly node: Node; readonly value: Value; readonly scalar: () => Value }[] = [];

  constructor({ facts, analysis, clone }: { facts: Facts; analysis: Analysis; clone: Clone }) {
    this.#facts = facts;
    this.#analysis = analysis;
    this.#clone = clone;
    this.#first = clone.model.graph.firstNode;
  }

  scaleAxes(axes: Group, gate: Gate): void {
    for (const m of axes.members) {
      const of = this.#parts.get(m.value) ?? new Map<number, Part[]>();
      this.#parts.set(m.value, of);
      of.set(m.axis, [...(of.get(m.axis) ?? []), { gate, indices: m.indices }]);
    }
  }

  scaleInput(node: Node, value: Value, gate: Gate, unit: number): void {
    const { graph } = this.#clone.model;
    const scalar = (): Value =>
      gate.fixed
        ? graph.addInitializer(graph.freshName('factor'), f32([gate.fixed[unit]!], []))
        : this.#emit('Gather', [gate.vector, graph.addInitializer(graph.freshName('unit'), i64([unit], []))], 0);
    this.#inputs.push({ node, value, scalar });
  }

  /** Writes the products into the copy. */
  finish(): void {
    const { nodes, values } = this.#clone;
    const factor: Factor = (value, axis, extent) => this.#factor(value, axis, extent);
    insertFactors(nodes, values, this.#analysis.sinks, this.#facts, factor);
    insertReductions(this.#clone, this.#analysis.reductions, this.#facts, factor);
    for (const { node, value, scalar } of this.#inputs) {
      const dtype = this.#facts.get(value)?.dtype ?? DType.FLOAT;
      scaleInput(nodes.get(node)!, values.get(value)!, scalar(), dtype);
    }
  }

  #factor(value: Value, axis: number, extent: number): (() => Value) | null {
    const parts = this.#parts.get(value)?.get(axis);
    if (!parts) return null;
    const { graph } = this.#clone.model;
    if (parts.every((p) => p.gate.fixed)) {
      const mask = new Float32Array(extent).fill(1);
      for (const { gate, indices } of parts)
        for (const [unit, at] of indices.entries()) for (const i of at) mask[i]! *= gate.fixed![unit]!;
      if (mask.every((x) => x === 1)) return null;
      return () => graph.addInitializer(graph.freshName(`${value.name}_mask`), f32(mask, [extent]));
    }
    return () =>
      layersOf(parts)
        .map((layer) => this.#vector(layer, extent))
        .reduce((a, b) => this.#emit('Mul', [a, b]));
  }

  /**
   * The gates of structures without common indices, spread over the axis. Indices without a gate read an appended 1.
   */
  #vector(layer: readonly Part[], extent: number): Value {
    const { graph } = this.#clone.model;
    const total = layer.reduce((n, p) => n + p.gate.units, 0);
    const places = new Array<number>(extent).fill(total);
    let offset = 0;
    for (const { gate, indices } of layer) {
      for (const [unit, at] of indices.entries()) for (const i of at) places[i] = offset + unit;
      offset += gate.units;
    }
    const one = graph.addInitializer(graph.freshName('one'), f32([1], [1]));
    const index = graph.addInitializer(graph.freshName('gate_index'), i64(places));
    const all = this.#emit('Concat', [...layer.map((p) => p.gate.vector), one], 0);
    return this.#emit('Gather', [all, index], 0);
  }

  /** Inserts at the start of the graph. */
  #emit(op: string, inputs: readonly Value[], axis?: number): Value {
    return this.#clone.model.graph.emit(op, [...inputs], {
      ...(axis !== undefined && { attributes: [['axis', int(axis)]] }),
      ...(this.#first && { before: this.#first }),
      outputName: 'gate',
    })[0]!;
  }
}

/** Structures of one layer have no common index; the factors of layers are multiplied. */
function layersOf(parts: readonly Part[]): Part[][] {
  const layers: { readonly taken: Set<number>; readonly parts: Part[] }[] = [];
  for (const p of parts) {
    const flat = p.indices.flat();
    let layer = layers.find((l) => !flat.some((i) => l.taken.has(i)));
    if (!layer) layers.push((layer = { taken: new Set(), parts: [] }));
    layer.parts.push(p);
    for (const i of flat) layer.taken.add(i);
  }
  return layers.map((l) => l.parts);
}
