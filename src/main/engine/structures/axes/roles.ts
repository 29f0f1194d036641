/**
 * Determines which weight axes produce units (sources) and which are summed over (sinks), from the links that each rule
 * made.
 */
import { everyNode } from '../../ir/bodies.ts';
import type { Graph } from '../../ir/graph.ts';
import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';
import type { Relations } from './relate.ts';

/** The axis of a linear operator's weight that produces its output width. `order` counts nodes in execution order. */
export interface Origin {
  readonly node: Node;
  readonly axis: number;
  readonly order: number;
}

export interface Roles {
  readonly sourceAxes: ReadonlySet<number>;
  readonly sinkAxes: ReadonlySet<number>;
  readonly origins: readonly Origin[];
}

export function roles(graph: Graph, relations: Relations, weights: ReadonlySet<Value>): Roles {
  const { atoms, links } = relations;
  const isWeight = (axis: number): boolean => weights.has(atoms.axisValue[axis]!);
  const sinkAxes = new Set(relations.sinks.flatMap((s) => [s.weight, s.activation]).filter(isWeight));
  const sourceAxes = new Set<number>();
  const origins: Origin[] = [];
  let order = 0;
  for (const node of everyNode(graph)) {
    order++;
    if (node.outputs.every((o) => weights.has(o))) continue;
    for (const axes of components(links.get(node) ?? [])) {
      const made = axes.some((a) => atoms.axisValue[a]!.producer === node);
      const carried = axes.some((a) => atoms.axisValue[a]!.producer !== node && !isWeight(a));
      if (!made || carried) continue;
      const own = axes.filter(isWeight);
      // A bias follows its weight: a vector is the source only where there is no matrix.
      const matrices = own.filter((a) => rank(a) > 1);
      for (const axis of matrices.length ? matrices : own) {
        sourceAxes.add(axis);
        origins.push({ node, axis, order });
      }
    }
  }
  inherit(graph, relations, weights, sinkAxes, sourceAxes);
  return { sourceAxes, sinkAxes, origins };

  function rank(axis: number): number {
    const base = axis - atoms.axisIndex[axis]!;
    let n = 0;
    while (atoms.axisValue[base + n] === atoms.axisValue[axis]) n++;
    return n;
  }
}

/** A weight that passes through data movement (Transpose, Cast, DequantizeLinear) takes its role from the result. */
function inherit(
  graph: Graph,
  { links }: Relations,
  weights: ReadonlySet<Value>,
  sinkAxes: Set<number>,
  sourceAxes: Set<number>,
): void {
  for (const node of [...everyNode(graph)].reverse()) {
    if (!node.outputs.every((o) => weights.has(o))) continue;
    for (const axes of components(links.get(node) ?? [])) {
      if (axes.some((a) => sinkAxes.has(a))) for (const a of axes) sinkAxes.add(a);
      if (axes.some((a) => sourceAxes.has(a))) for (const a of axes) sourceAxes.add(a);
    }
  }
}

/** Connected components of a flat list of pairs. */
function components(pairs: readonly number[]): number[][] {
  const of = new Map<number, number[]>();
  for (let i = 0; i < pairs.length; i += 2) {
    const [a, b] = [pairs[i]!, pairs[i + 1]!];
    const x = of.get(a) ?? [a];
    const y = of.get(b) ?? [b];
    if (x !== y) x.push(...y);
    for (const k of x) of.set(k, x);
    of.set(b, x);
  }
  return [...new Set(of.values())];
}
