/**
 * The oracle of every rewrite: the same model with units masked instead of removed, by a 0/1 factor on the activation that
 * enters each contraction. `gateModel` makes those factors inputs, so that one session evaluates any plan.
 */
import { int } from '../ir/attribute.ts';
import { cloneModel } from '../ir/clone.ts';
import { DType } from '../ir/dtype.ts';
import type { Facts } from '../ir/facts.ts';
import type { Model } from '../ir/model.ts';
import { f32, i64 } from '../ir/tensor.ts';
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';
import { maskReductions, type MaskedReduction } from './axes/mask-reductions.ts';
import { keptIndices, readCut, type Cut } from './axes/removal.ts';
import type { Analysis, Reduction, ResidualBlock, Sink } from './axes/types.ts';

/**
 * A copy in which the units and blocks of the plan contribute nothing; every shape stays.
 * @throws SecateurError 'plan-invalid' as applyPlan does.
 */
export function maskModel(
  model: Model,
  facts: Facts,
  analysis: Analysis,
  plan: Cut,
  blocks: readonly ResidualBlock[] = [],
): Model {
  const removal = readCut(analysis, blocks, plan);
  const clone = cloneModel(model);
  const { graph } = clone.model;
  const factor: Factor = (value, axis, extent) => {
    const kept = keptIndices(removal, value, axis, extent);
    if (!kept) return null;
    const mask = new Float32Array(extent);
    for (const i of kept) mask[i] = 1;
    return () => graph.addInitializer(graph.freshName(`${value.name}_mask`), f32(mask, [extent]));
  };
  insertFactors(clone.nodes, clone.values, analysis.sinks, facts, factor);
  insertReductions(clone, analysis.reductions, facts, factor);
  for (const b of removal.blocks) {
    const add = clone.nodes.get(b.add)!;
    const branch = clone.values.get(b.branch)!;
    const zero = graph.addInitializer(graph.freshName('zero'), f32([0], []));
    scaleInput(add, branch, zero, facts.get(b.branch)?.dtype ?? DType.FLOAT);
  }
  return clone.model;
}

export interface Gated {
  readonly model: Model;
  /** Group id to the name of its gate: float32 [units]. */
  readonly groups: ReadonlyMap<string, string>;
  /** Block id to the name of its gate: a float32 scalar (shape []). */
  readonly blocks: ReadonlyMap<string, string>;
}

/** A copy with one gate input per group and per block. All ones: the original; zeros: removed; fractions: attenuated. */
export function gateModel(
  model: Model,
  facts: Facts,
  analysis: Analysis,
  blocks: readonly ResidualBlock[] = [],
): Gated {
  const clone = cloneModel(model);
  const { graph } = clone.model;
  const gates = analysis.groups.map((g, i) =>
    graph.addInput(graph.freshName(`gate_group_${i}`), { elemType: DType.FLOAT, shape: [g.units] }),
  );
  const unitsOf = unitTable(analysis);
  const first = graph.firstNode;
  const emit = (op: string, inputs: Value[], attributes: [string, ReturnType<typeof int>][] = []): Value =>
    graph.emit(op, inputs, { attributes, outputName: 'gate', ...(first && { before: first }) })[0]!;
  const factor: Factor = (value, axis, extent) => {
    const here = unitsOf.get(value)?.get(axis);
    if (!here) return null;
    // Index i reads its unit's gate; indices in no group read the appended one. Groups that cross multiply.
    const layers: { used: number[]; at: Map<number, readonly [number, number]> }[] = [];
    for (const [g, units] of here) {
      const flat = units.flat();
      let layer = layers.find((l) => !flat.some((i) => l.at.has(i)));
      if (!layer) layers.push((layer = { used: [], at: new Map() }));
      layer.used.push(g);
      for (const [unit, indices] of units.entries()) for (const i of indices) layer.at.set(i, [g, unit]);
    }
    const vector = ({ used, at }: (typeof layers)[number]): Value => {
      const offsets = new Map<number, number>();
      let offset = 0;
      for (const g of used) {
        offsets.set(g, offset);
        offset += analysis.groups[g]!.units;
      }
      const one = graph.addInitializer(graph.freshName('one'), f32([1], [1]));
      const places = Array.from({ length: extent }, (_, i) => {
        const found = at.get(i);
        return found ? offsets.get(found[0])! + found[1] : offset;
      });
      const index = graph.addInitializer(graph.freshName('gate_index'), i64(places));
      const all = emit('Concat', [...used.map((g) => gates[g]!), one], [['axis', int(0)]]);
      return emit('Gather', [all, index], [['axis', int(0)]]);
    };
    return () => layers.map(vector).reduce((a, b) => emit('Mul', [a, b]));
  };
  insertFactors(clone.nodes, clone.values, analysis.sinks, facts, factor);
  insertReductions(clone, analysis.reductions, facts, factor);
  const blockGates = blocks.map((b, i) => {
    const gate = graph.addInput(graph.freshName(`gate_block_${i}`), { elemType: DType.FLOAT, shape: [] });
    scaleInput(clone.nodes.get(b.add)!, clone.values.get(b.branch)!, gate, facts.get(b.branch)?.dtype ?? DType.FLOAT);
    return [b.id, gate.name] as const;
  });
  return {
    model: clone.model,
    groups: new Map(analysis.groups.map((g, i) => [g.id, gates[i]!.name])),
    blocks: new Map(blockGates),
  };
}

/** Value -> axis -> group number -> indices per unit. */
function unitTable(analysis: Analysis): Map<Value, Map<number, Map<number, readonly (readonly number[])[]>>> {
  const out = new Map<Value, Map<number, Map<number, readonly (readonly number[])[]>>>();
  for (const [g, group] of analysis.groups.entries())
    for (const m of group.members) {
      const axes = out.get(m.value) ?? new Map<number, Map<number, readonly (readonly number[])[]>>();
      out.set(m.value, axes);
      const groups = axes.get(m.axis) ?? new Map<number, readonly (readonly number[])[]>();
      axes.set(m.axis, groups);
      groups.set(g, m.indices);
    }
  return out;
}

/** Makes the vector that an axis is multiplied by, or null where nothing is to be done. */
type Factor = (value: Value, axis: number, extent: number) => (() => Value) | null;

function insertReductions(
  clone: ReturnType<typeof cloneModel>,
  reductions: readonly Reduction[],
  facts: Facts,
  factor: Factor,
): void {
  const masked = reductions.flatMap((reduction): MaskedReduction[] => {
    const { activation, axis } = reduction;
    const make = factor(activation, axis, facts.get(activation)!.shape[axis]!);
    if (!make) return [];
    const [node, value] = [clone.nodes.get(reduction.node)!, clone.values.get(activation)!];
    return [{ reduction, node, activation: value, vector: make() }];
  });
  maskReductions(masked, facts, clone.model.opset);
}

/** Multiplies the activation of every sink by a vector along its axis; a node may sum over several axes of one. */
function insertFactors(
  nodes: ReadonlyMap<Node, Node>,
  values: ReadonlyMap<Value, Value>,
  sinks: readonly Sink[],
  facts: Facts,
  factor: Factor,
): void {
  const axesOf = new Map<Node, Map<Value, number[]>>();
  for (const s of sinks) {
    const read = axesOf.get(s.node) ?? new Map<Value, number[]>();
    axesOf.set(s.node, read.set(s.activation, [...(read.get(s.activation) ?? []), s.axis]));
  }
  // Several sinks that read the same activation along the same axes share one product.
  const products = new Map<Value, Map<string, Value>>();
  for (const [original, read] of axesOf) {
    const node = nodes.get(original)!;
    for (const [value, axes] of read) {
      const activation = values.get(value)!;
      const known = products.get(value) ?? new Map<string, Value>();
      products.set(value, known);
      let product = activation;
      let key = '';
      for (const axis of axes) {
        key += `${axis} `;
        product = known.get(key) ?? times(node, product, value, axis, facts, factor);
        known.set(key, product);
      }
      node.inputs.forEach((v, i) => {
        if (v === activation) node.setInput(i, product);
      });
    }
  }
}

/** `v`, which stands for `value`, times the vector along an axis, or `v` itself where nothing is to be done. */
function times(node: Node, v: Value, value: Value, axis: number, facts: Facts, factor: Factor): Value {
  const fact = facts.get(value);
  const shape = fact?.shape ?? value.initializer!.dims;
  const make = factor(value, axis, shape[axis]!);
  if (!make) return v;
  const graph = node.graph!;
  const vector = castLike(node, make(), fact?.dtype ?? DType.FLOAT);
  const dims = shape.slice(axis).map((n, k) => (k === 0 ? n : 1));
  const target = graph.addInitializer(graph.freshName('mask_shape'), i64(dims));
  const shaped = dims.length === 1 ? vector : graph.emit('Reshape', [vector, target], { before: node })[0]!;
  return graph.emit('Mul', [v, shaped], { outputName: `${v.name}_masked`, before: node })[0]!;
}

function scaleInput(node: Node, value: Value, scalar: Value, dtype: number): void {
  const product = node.graph!.emit('Mul', [value, castLike(node, scalar, dtype)], { before: node })[0]!;
  node.inputs.forEach((v, i) => {
    if (v === value) node.setInput(i, product);
  });
}

function castLike(before: Node, v: Value, dtype: number): Value {
  return dtype === DType.FLOAT ? v : before.graph!.emit('Cast', [v], { attributes: [['to', int(dtype)]], before })[0]!;
}
