/**
 * Sizes that count positions. OneHot makes as many classes and Range as many steps as a number says, and no rule cuts what
 * they make: where the number is computed from a width that is cut, they go on getting what it was before.
 */
import { attrInt } from '../ir/attribute.ts';
import type { cloneModel } from '../ir/clone.ts';
import { DType } from '../ir/dtype.ts';
import type { Facts } from '../ir/facts.ts';
import type { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import { i64, tensorFrom } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import type { Follows } from './follows.ts';

/**
 * @param follows numbers of the model that follow the cut
 * @param whole operators that take them as they were before it
 */
export function keepWholeSizes(
  model: Model,
  facts: Facts,
  follows: Follows,
  clone: ReturnType<typeof cloneModel>,
  whole: (n: Node) => boolean,
): void {
  const graph = clone.model.graph;
  const made = new Map<Value, Value>();
  /** The arithmetic once more, from shapes as they were. Run-time sizes in it stay run-time sizes. */
  const before = (v: Value, at: Node): Value => {
    const known = made.get(v);
    if (known) return known;
    const value = again(v.producer!, v, at);
    made.set(v, value);
    return value;
  };
  const again = (node: Node, v: Value, at: Node): Value => {
    if (node.key === 'Shape') {
      const shape = facts.get(node.input(0)!)!.shape;
      const marks = follows.get(v)!;
      const from = startOf(node, shape.length);
      const mask = tensorFrom({ dtype: DType.BOOL, dims: [marks.length], data: Uint8Array.from(marks, Number) });
      const were = i64(marks.map((_, i) => shape[from + i]!));
      const inputs = [
        graph.addInitializer(graph.freshName(`${v.name}_cut`), mask),
        graph.addInitializer(graph.freshName(`${v.name}_were`), were),
        clone.values.get(v)!,
      ];
      return graph.emit('Where', inputs, { before: at, outputName: `${v.name}_whole` })[0]!;
    }
    const inputs = node.inputs.map((x) => x && (follows.has(x) ? before(x, at) : clone.values.get(x)!));
    const outputs = graph.emit(node.opType, inputs, {
      domain: node.domain,
      attributes: node.attributes,
      outputs: node.outputs.length,
      before: at,
      outputName: `${v.name}_whole`,
    });
    return outputs[node.outputs.indexOf(v)]!;
  };
  for (const node of model.graph.nodes()) {
    const copy = clone.nodes.get(node);
    if (!copy?.graph || !whole(node)) continue;
    node.inputs.forEach((v, i) => {
      if (v && follows.has(v)) copy.setInput(i, before(v, copy));
    });
  }
}

function startOf(node: Node, rank: number): number {
  const n = attrInt(node.attributes.get('start'), 0);
  return Math.max(0, n < 0 ? n + rank : n);
}
