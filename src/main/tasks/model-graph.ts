/**
 * The graph overview of a model: one box per operator that computes or joins paths. Operators that
 * only reshape or transform values (biases, activations, transposes) join the preceding box. Runs
 * in time linear in the size of the graph.
 */
import type { GraphShape, ModelGraph } from '../../shared/model/window.ts';
import { nodeCosts } from '../engine/ir/costs.ts';
import { dataDependent } from '../engine/ir/dependence.ts';
import type { Facts } from '../engine/ir/facts.ts';
import type { Node } from '../engine/ir/node.ts';
import { readsOf } from '../engine/ir/reads.ts';
import type { Value } from '../engine/ir/value.ts';
import { Widths } from '../engine/latency/widths.ts';
import { operatorFor } from '../engine/ops/registry.ts';
import type { ResidualBlock } from '../engine/structures/axes/types.ts';
import { axesOf, bypassesOf } from '../engine/structures/find.ts';
import type { Prepared } from '../pipeline/prepare/prepare.ts';

interface Box {
  readonly id: string;
  readonly nodes: Node[];
  /** Values that the box reads but does not produce. */
  readonly reads: Set<Value>;
  macs: number;
  params: number;
}

/** Largest number of operator types named in a box. */
const NAMED = 4;

export function modelGraph(p: Prepared): ModelGraph {
  const { model, facts, analysis, structures } = p;
  const dependent = dataDependent(model);
  const ids = new Map<string, number>();
  const boxes: Box[] = [];
  const boxOf = new Map<Value, Box>();
  const edges: { from: string; to: string }[] = [];
  for (const { node, macs, params } of nodeCosts(model, facts)) {
    // Arithmetic of shapes and weights is not part of the data flow.
    if (!node.outputs.some((o) => dependent.has(o))) continue;
    const read = new Set<Value>();
    const from = new Set<Box>();
    for (const v of readsOf(node)) {
      if (!dependent.has(v)) continue;
      read.add(v);
      const box = boxOf.get(v);
      if (box) from.add(box);
    }
    const heavy = isLandmark(node) || (node.opType === 'Concat' && read.size > 1);
    let box = from.values().next().value;
    if (heavy || from.size > 1) {
      box = { id: unique(node.label, ids), nodes: [node], reads: read, macs, params };
      boxes.push(box);
      for (const b of from) edges.push({ from: b.id, to: box.id });
    } else if (box) {
      // When all inputs come from one box, the node joins that box.
      box.nodes.push(node);
      box.macs += macs;
      box.params += params;
      for (const v of read) if (boxOf.get(v) !== box) box.reads.add(v);
    }
    // Without a preceding box, the node belongs to the input.
    if (box) for (const o of node.outputs) boxOf.set(o, box);
  }
  const widths = new Widths(facts, axesOf(structures));
  const units = new Map(structures.map((s) => [s.id, s.units]));
  const within = blockOfNode(bypassesOf(structures));
  const frozen = new Map(analysis.skipped.map((s) => [s.group, s.reason]));
  const ends = new Set(model.graph.outputs);
  const shapes = (values: readonly Value[]): GraphShape[] => values.map((v) => shapeOf(v, facts));
  return {
    nodes: boxes.map(({ id, nodes, reads, macs, params }) => {
      const lead = nodes[0]!;
      const group = lead.outputs.flatMap((o) => widths.groupsOf(o))[0] ?? null;
      const block = within.get(lead)?.id ?? null;
      const size = group === null ? null : (units.get(group) ?? null);
      const inside = new Set(nodes);
      const leaves = (v: Value): boolean => ends.has(v) || v.uses().some((u) => !inside.has(u.node));
      return {
        id,
        label: lead.label,
        operator: namesOf(nodes),
        macs,
        params,
        group,
        units: size,
        block,
        inputs: shapes([...reads]),
        outputs: shapes(nodes.flatMap((n) => n.outputs.filter((v) => v.name !== '' && leaves(v)))),
        weights: shapes(lead.inputs.filter((v) => v?.initializer) as Value[]),
        frozen:
          group === null ? (nodes.map((n) => frozen.get(n.label)).find((why) => why !== undefined) ?? null) : null,
      };
    }),
    edges,
  };
}

/** Whether an operator gets a box; an operator without rules always does. */
function isLandmark(node: Node): boolean {
  const rules = operatorFor(node.key);
  return !rules || rules.macs !== undefined || rules.traits?.landmark === true;
}

function shapeOf(v: Value, facts: Facts): GraphShape {
  const fact = facts.get(v);
  if (!fact) return v.initializer ? v.initializer.dims : null;
  return fact.shape.map((size, axis) => fact.dynamic?.[axis] ?? size);
}

/** Types of the operators in a box, the main one first: `Conv + Relu`. */
function namesOf(nodes: readonly Node[]): string {
  const counts = new Map<string, number>();
  for (const n of nodes) counts.set(n.opType, (counts.get(n.opType) ?? 0) + 1);
  const names = [...counts].map(([name, n]) => (n > 1 ? `${name} ×${n}` : name));
  const shown = names.slice(0, NAMED).join(' + ');
  return names.length > NAMED ? `${shown} + ${names.length - NAMED} more` : shown;
}

function unique(name: string, taken: Map<string, number>): string {
  let n = taken.get(name) ?? 0;
  taken.set(name, n + 1);
  if (n === 0) return name;
  // Another node may already have the numbered name.
  while (taken.has(`${name}#${n + 1}`)) n++;
  taken.set(`${name}#${n + 1}`, 1);
  return `${name}#${n + 1}`;
}

/** The smallest block around each node; the addition at its end belongs to the block. */
function blockOfNode(blocks: readonly ResidualBlock[]): Map<Node, ResidualBlock> {
  const out = new Map<Node, ResidualBlock>();
  const bySize = [...blocks].sort((a, b) => a.nodes.length - b.nodes.length);
  for (const b of bySize) for (const n of [...b.nodes, b.add]) if (!out.has(n)) out.set(n, b);
  return out;
}
