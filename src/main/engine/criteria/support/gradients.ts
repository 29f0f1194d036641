import type { CriterionContext } from '../contract.ts';
import { addUnits, axisSums, floats, weightMembers } from './tensors.ts';

/**
 * Per unit: the sum of term(weight, mean gradient, mean squared gradient) over all coupled parameters, biases and
 * scales included. Parameters that the loss does not depend on add nothing.
 */
export function gradientSums(
  ctx: CriterionContext,
  term: (w: number, g: number, squared: number) => number,
): Float64Array {
  if (!ctx.gradient) throw new Error(`no gradients for group ${ctx.group.id}`);
  const out = new Float64Array(ctx.group.units);
  for (const m of weightMembers(ctx.group)) {
    const gradient = ctx.gradient(m.value);
    if (!gradient) continue;
    const w = floats(m.tensor),
      { mean, meanSquare } = gradient;
    const sums = axisSums(m.tensor.dims, m.axis, (at) => term(w[at]!, mean[at]!, meanSquare[at]!));
    addUnits(out, m.indices, sums);
  }
  return out;
}
