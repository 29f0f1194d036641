/** The loss of a model's outputs against the original's, by the meaning of each output. */
import type { GraphBuilder } from '../autodiff/builder.ts';
import type { Value } from '../ir/value.ts';
import type { Joint, LossOptions, LossOutput } from '../heads/contract.ts';
import { HEADS } from '../heads/registry.ts';

export interface OutputLoss {
  readonly names: readonly string[];
  readonly loss: Value;
}

/**
 * Scalars to add up, each with its outputs.
 * @param joint outputs with a common loss, as `jointOf` finds them
 */
export function outputLosses(
  b: GraphBuilder,
  outputs: readonly LossOutput[],
  o: LossOptions & { readonly joint: Joint | null },
  heads = HEADS,
): OutputLoss[] {
  const { joint } = o;
  const own = new Set(outputs.map((x) => x.name));
  const together: readonly string[] = joint?.loss && joint.names.every((name) => own.has(name)) ? joint.names : [];
  return outputs.flatMap((output): OutputLoss[] => {
    const { name, meaning } = output;
    if (!together.includes(name)) return [{ names: [name], loss: heads.comparedBy(meaning).loss(b, output, o) }];
    if (outputs.find((x) => together.includes(x.name)) !== output) return [];
    const members = outputs.filter((x) => together.includes(x.name));
    return [{ names: together, loss: joint!.loss!(b, members, o) }];
  });
}
