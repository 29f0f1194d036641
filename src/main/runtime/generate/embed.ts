/** Embeddings of tokens, with image features in their places. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { HostTensor } from '../../engine/executor.ts';
import type { ComponentShape, PortShape } from '../../engine/families/contract.ts';
import { filled } from '../../engine/families/named-inputs.ts';
import { mergeFeatures } from '../../engine/generation/placeholders.ts';
import { DType } from '../../engine/ir/dtype.ts';
import type { RunnerPackage } from './contract.ts';
import { placeholderOf } from './prompts.ts';
import { withRank } from './rows.ts';
import type { Sessions } from './sessions.ts';

/**
 * Null for a decoder that takes tokens. Features are written over the rows of placeholder tokens, by the component
 * itself where it takes them, else here.
 * @param features of all placeholders among the tokens; null: there are none
 * @throws 'run-input', 'run-package'
 */
export async function embed(
  pkg: RunnerPackage,
  sessions: Sessions,
  component: ComponentShape | null,
  ids: readonly number[],
  features: HostTensor | null,
): Promise<HostTensor | null> {
  if (!component) return null;
  const feeds: Record<string, HostTensor> = {};
  let merges = false;
  for (const port of component.inputs) {
    if (/^input_ids$/i.test(port.name))
      feeds[port.name] = filled(port.dtype ?? DType.INT64, [1, ids.length], (i) => ids[i]!);
    else if (/^image_(features|embeds)$/i.test(port.name)) {
      merges = true;
      feeds[port.name] = features ? withRank(features, port.shape.length) : noFeatures(port);
    } else
      throw new SecateurError('run-input', {
        component: component.id,
        input: port.name,
        reason: 'its name is unknown',
      });
  }
  const session = await sessions.of(component);
  const outputs = await session.run(feeds);
  const embeds = outputs['inputs_embeds'] ?? outputs[component.outputs[0]!.name]!;
  return features && !merges ? mergeFeatures(embeds, ids, placeholderOf(pkg).id, features) : embeds;
}

/** Features of no rows. */
function noFeatures({ shape, dtype }: PortShape): HostTensor {
  const dims = shape.map((d, axis) => (axis === shape.length - 1 ? Number(d) : axis === shape.length - 2 ? 0 : 1));
  return filled(dtype ?? DType.FLOAT, dims, () => 0);
}
