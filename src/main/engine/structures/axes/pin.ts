/**
 * Shapes that become data: where an integer computed from a shape turns into a float (the square root of a head's width
 * in attention), the pruned model must keep computing with the original width. Otherwise removing would not equal
 * masking.
 */
import { DType } from '../../ir/dtype.ts';
import type { cloneModel } from '../../ir/clone.ts';
import type { Facts } from '../../ir/facts.ts';
import type { Model } from '../../ir/model.ts';
import { f32, MemoryTensor, numberToHalf, type Tensor } from '../../ir/tensor.ts';
import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';
import { becomesData, followsCut, type Follows } from './follows.ts';
import type { Removal } from './removal.ts';
import { uncut } from './uncut.ts';

/** @returns the numbers of size arithmetic that follow the cut */
export function pinShapeArithmetic(
  model: Model,
  facts: Facts,
  removal: Removal,
  clone: ReturnType<typeof cloneModel>,
  whole: (n: Node) => boolean,
): Follows {
  const from = followsCut(model, facts, removal, whole);
  const made = new Map<Value, Value>();
  for (const node of model.graph.nodes()) {
    if (!from.has(node.input(0)!) || !becomesData(node, facts)) continue;
    const v = node.output();
    const fact = facts.get(v)!;
    const copy = clone.values.get(v)!;
    if (fact.varies?.some(Boolean)) {
      // The number also follows the sizes of the inputs, so it is computed from the original width instead of stored.
      const cast = copy.producer!;
      const before = uncut(node.input(0)!, cast, { facts, follows: from, clone, made });
      if (before) cast.setInput(0, before);
      continue;
    }
    const tensor = floatTensor(fact.dtype, fact.constant!, fact.shape);
    if (!tensor) continue;
    const graph = clone.model.graph;
    copy.replaceAllUsesWith(graph.addInitializer(graph.freshName(`${copy.name}_pinned`), tensor));
  }
  return from;
}

function floatTensor(dtype: number, data: readonly number[], dims: readonly number[]): Tensor | null {
  if (dtype === DType.FLOAT) return f32(data, dims);
  if (dtype === DType.FLOAT16)
    return new MemoryTensor(dtype, dims, new Uint8Array(Uint16Array.from(data, numberToHalf).buffer));
  if (dtype === DType.DOUBLE) return new MemoryTensor(dtype, dims, new Uint8Array(Float64Array.from(data).buffer));
  return null;
}
