/**
 * Recomputes size arithmetic as it was before a cut, for any sizes of the inputs: cut widths are restored in the shapes
 * that are read, and dependent values are computed a second time. [N, 5 of 8, H, W] becomes [N, 8, H, W] again.
 */
import type { cloneModel } from '../../ir/clone.ts';
import { DType } from '../../ir/dtype.ts';
import type { Facts } from '../../ir/facts.ts';
import type { Node } from '../../ir/node.ts';
import { i64, MemoryTensor } from '../../ir/tensor.ts';
import type { Value } from '../../ir/value.ts';
import { shapeStart, type Follows } from './follows.ts';

export interface Uncut {
  readonly facts: Facts;
  readonly follows: Follows;
  readonly clone: ReturnType<typeof cloneModel>;
  /** Original value to its copy, for copies made so far. */
  readonly made: Map<Value, Value>;
}

/**
 * Returns a value of the clone; null where it cannot be recomputed.
 * @param v of the original
 * @param before a node of the clone
 */
export function uncut(v: Value, before: Node, o: Uncut): Value | null {
  if (!o.follows.has(v)) return o.clone.values.get(v) ?? null;
  const known = o.made.get(v);
  if (known) return known;
  const node = v.producer;
  if (!node) return null;
  const outs = node.key === 'Shape' ? shapeBefore(v, node, before, o) : again(node, before, o);
  if (!outs) return null;
  for (const [i, out] of node.outputs.entries()) o.made.set(out, outs[i]!);
  return o.made.get(v)!;
}

function shapeBefore(v: Value, node: Node, before: Node, { facts, follows, clone }: Uncut): Value[] | null {
  const [shape, marks, now] = [facts.get(node.input(0)!)?.shape, follows.get(v), clone.values.get(v)];
  if (!shape || !marks || !now) return null;
  const graph = clone.model.graph;
  const start = shapeStart(node, shape.length);
  const cut = new MemoryTensor(DType.BOOL, [marks.length], Uint8Array.from(marks, Number));
  const mask = graph.addInitializer(graph.freshName(`${now.name}_is_cut`), cut);
  const widths = graph.addInitializer(
    graph.freshName(`${now.name}_widths`),
    i64(marks.map((_, i) => shape[start + i]!)),
  );
  return graph.emit('Where', [mask, widths, now], { before, outputName: `${now.name}_uncut` });
}

function again(node: Node, before: Node, o: Uncut): Value[] | null {
  const inputs = node.inputs.map((v) => v && uncut(v, before, o));
  if (inputs.some((v, i) => v === null && node.inputs[i] !== null)) return null;
  if ([...node.attributes.values()].some((a) => a.kind === 'graph' || a.kind === 'graphs')) return null;
  return o.clone.model.graph.emit(node.opType, inputs, {
    before,
    domain: node.domain,
    attributes: [...node.attributes],
    outputs: node.outputs.length,
    outputName: `${node.output().name}_uncut`,
  });
}
