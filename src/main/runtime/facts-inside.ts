/**
 * Facts that the runtime does not report by itself: shapes in the bodies of Loop and Scan, and element types before a
 * session is open.
 */
import { attrInt, attrInts, ints } from '../engine/ir/attribute.ts';
import { bodyLinks, bodyOf } from '../engine/ir/bodies.ts';
import type { Clone } from '../engine/ir/clone.ts';
import { DType } from '../engine/ir/dtype.ts';
import type { Graph } from '../engine/ir/graph.ts';
import type { Model } from '../engine/ir/model.ts';
import { Node } from '../engine/ir/node.ts';
import { Value } from '../engine/ir/value.ts';
import { traitsOf } from '../engine/ops/registry.ts';

/**
 * Makes every Loop and Scan of the copy return the shape of each value in its body, per iteration.
 * @returns names of the outputs, int64 [iterations, rank], with the values of the model that they describe
 */
export function exposeBodies(model: Model, clone: Clone, wanted: (v: Value) => boolean): Map<string, Value> {
  const out = new Map<string, Value>();
  const { graph } = clone.model;
  for (const original of model.graph.nodes()) {
    const links = bodyLinks(original);
    if (!links) continue;
    const node = clone.nodes.get(original)!;
    const body = bodyOf(node)!;
    const { said } = traitsOf(node).body!;
    const before = body.outputs.length - said;
    const fresh = (): Value => new Value(graph.freshName('inside__shape'), { elemType: DType.INT64 });
    while (node.outputs.length < before) node.setOutput(node.outputs.length, new Value(graph.freshName('unread')));
    for (const v of links.body.values()) {
      if (v.initializer || !wanted(v)) continue;
      const shape = fresh();
      body.append(new Node('Shape', [clone.values.get(v)!], [shape]));
      body.outputs.push(shape);
      const all = fresh();
      node.setOutput(node.outputs.length, all);
      graph.outputs.push(all);
      out.set(all.name, v);
    }
    // A Scan declares these attributes once per stacked output.
    for (const name of ['scan_output_axes', 'scan_output_directions']) {
      const given = attrInts(node.attributes.get(name));
      const more = body.outputs.length - said - before;
      if (given) node.attributes.set(name, ints([...given, ...new Array<number>(more).fill(0)]));
    }
  }
  return out;
}

/**
 * The shape that all iterations agree on; null where they differ or none ran.
 * @param dims [iterations, rank]
 */
export function steadyShape(dims: readonly number[], shapes: readonly number[]): number[] | null {
  const [iterations, rank] = [dims[0] ?? 0, dims[1] ?? 0];
  if (iterations === 0) return null;
  const first = shapes.slice(0, rank);
  return shapes.every((n, i) => n === first[i % rank]) ? first : null;
}

/** A first guess of element types: casts and constants declare theirs, most operators pass on their first input's. */
export function guessDtypes(model: Model): Map<Value, number> {
  const out = new Map<Value, number>();
  const visit = (graph: Graph): void => {
    for (const v of graph.values()) {
      const known = v.initializer?.dtype ?? v.type?.elemType;
      if (known) out.set(v, known);
    }
    for (const node of graph.nodes()) {
      const links = bodyLinks(node);
      const hand = (from: Value, to: Value | null): void => {
        const dtype = out.get(from);
        if (dtype && to && !out.has(to)) out.set(to, dtype);
      };
      for (const c of links?.carried ?? []) hand(c.initial, c.input);
      for (const s of links?.sliced ?? []) hand(s.whole, s.slice);
      if (links) visit(links.body);
      for (const c of links?.carried ?? []) hand(c.output, c.last);
      for (const s of links?.stacked ?? []) hand(s.slice, s.whole);
      const value = node.attributes.get('value');
      const to = node.opType === 'Cast' ? attrInt(node.attributes.get('to'), 0) : (traitsOf(node).outputType ?? 0);
      const first = node.key === 'Where' ? node.input(1) : node.inputs.find((v) => v !== null);
      const dtype = to || (value?.kind === 'tensor' ? value.value.dtype : first ? out.get(first) : undefined);
      for (const o of node.outputs) if (dtype && !out.has(o)) out.set(o, dtype);
    }
  };
  visit(model.graph);
  return out;
}
