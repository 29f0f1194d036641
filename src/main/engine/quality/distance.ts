/**
 * Distance of a model's outputs from the original's, by the meaning of each output. Plans and recovered weights are
 * ranked by it.
 */
import { inOrder } from '../executor.ts';
import type { Distance, Look, Outputs } from '../heads/contract.ts';
import { HEADS } from '../heads/registry.ts';
import { jointOf } from './joint.ts';

/**
 * Distance of a batch of outputs from the given one, mean per sample, summed over the outputs.
 * @param outputs of the original; layouts that only values show are found in them
 */
export function distanceFrom(outputs: Outputs, look: Look, heads = HEADS): Distance {
  const joint = jointOf(outputs, look, heads);
  const covered: readonly string[] = joint?.distance ? joint.names : [];
  const parts = inOrder(outputs, look.order).flatMap(([name, t]): Distance[] => {
    if (covered.includes(name)) return [];
    const meaning = look.meanings.get(name);
    const distance = heads.comparedBy(meaning).distance(t, meaning);
    return distance ? [(other) => distance(other[name]!)] : [];
  });
  if (joint?.distance) parts.unshift(joint.distance(outputs));
  return (other) => parts.reduce((sum, f) => sum + f(other), 0);
}
