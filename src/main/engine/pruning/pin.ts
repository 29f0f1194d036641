/**
 * Shapes that become numbers: where an integer computed from a shape turns into a float (the square root of a head's width
 * in attention), the pruned model must go on computing with the original width, or removing would not equal masking.
 */
import { DType, isFloat } from '../ir/dtype.ts';
import type { cloneModel } from '../ir/clone.ts';
import type { Facts } from '../ir/facts.ts';
import type { Model } from '../ir/model.ts';
import { f32, MemoryTensor, numberToHalf, type Tensor } from '../ir/tensor.ts';
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';
import { followsCut, type Follows } from './follows.ts';
import type { Removal } from './removal.ts';

/** Returns what follows the cut in size arithmetic. */
export function pinShapeArithmetic(
  model: Model,
  facts: Facts,
  removal: Removal,
  clone: ReturnType<typeof cloneModel>,
  whole: (n: Node) => boolean,
): Follows {
  const from = followsCut(model, facts, removal, whole);
  for (const v of from.keys()) {
    const fact = facts.get(v);
    const source = v.producer?.input(0);
    if (v.producer?.key !== 'Cast' || !fact?.constant || !isFloat(fact.dtype) || !source || !from.has(source)) continue;
    if (isFloat(facts.get(source)?.dtype ?? DType.FLOAT) || feedsInteger(v)) continue;
    const tensor = floatTensor(fact.dtype, fact.constant, fact.shape);
    if (!tensor) continue;
    const graph = clone.model.graph;
    const copy = clone.values.get(v)!;
    copy.replaceAllUsesWith(graph.addInitializer(graph.freshName(`${copy.name}_pinned`), tensor));
  }
  return from;
}

/** True when everything the float is used for ends in an integer again: size arithmetic (floor of a division), not data. */
function feedsInteger(v: Value): boolean {
  const seen = new Set<Value>();
  const open = [v];
  for (let u = open.pop(); u; u = open.pop()) {
    if (seen.has(u)) continue;
    seen.add(u);
    if (u.isGraphOutput) return false;
    for (const n of u.consumers()) {
      if (n.key === 'Cast') {
        const to = n.attributes.get('to');
        if (to?.kind === 'int' && !isFloat(Number(to.value))) continue;
      } else if (
        !['Div', 'Mul', 'Add', 'Sub', 'Floor', 'Ceil', 'Squeeze', 'Unsqueeze', 'Concat', 'Slice', 'Gather'].includes(
          n.key,
        )
      )
        return false;
      open.push(...n.outputs);
    }
    if (u.consumers().length === 0) return false;
  }
  return true;
}

function floatTensor(dtype: number, data: readonly number[], dims: readonly number[]): Tensor | null {
  if (dtype === DType.FLOAT) return f32(data, dims);
  if (dtype === DType.FLOAT16)
    return new MemoryTensor(dtype, dims, new Uint8Array(Uint16Array.from(data, numberToHalf).buffer));
  if (dtype === DType.DOUBLE) return new MemoryTensor(dtype, dims, new Uint8Array(Float64Array.from(data).buffer));
  return null;
}
