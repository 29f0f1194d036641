/** Guesses the kind of network from its operators and ports. Users can correct it. */
import type { Family } from '../../../shared/model/types.ts';
import type { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import { operatorFor, traitsOf } from '../ops/registry.ts';

export function familyOf(model: Model): Family {
  let convolutions = 0;
  let softmaxOfProducts = 0;
  let experts = 0;
  for (const node of model.graph.nodes()) {
    if (traitsOf(node).linear?.slides) convolutions++;
    else if (/MoE/i.test(node.opType)) experts++;
    // Attention: a softmax that a matrix product consumes, or a fused operator.
    else if (/Attention$/.test(node.opType)) softmaxOfProducts++;
    else if (node.opType === 'Softmax') {
      const out = node.outputs[0];
      if (out?.consumers().some((c) => isProduct(c) || c.key === 'Dropout')) softmaxOfProducts++;
    }
  }
  const inputs = model.graph.inputs.filter((v) => !v.isInitializer);
  const image = inputs.some((v) => v.type?.shape?.length === 4);
  const time = inputs.some((v) => /^(t|timesteps?|sigma)$/i.test(v.name));
  const tokens = inputs.some((v) => /input_ids|inputs_embeds|pixel_values.*ids/i.test(v.name));
  if (experts > 0) return 'moe';
  if (time && image) return 'diffusion';
  if (image && tokens) return 'vlm';
  // Some CNNs have one or two attention blocks; a transformer has attention throughout.
  if (softmaxOfProducts >= 4 && softmaxOfProducts * 3 >= convolutions) return 'vit';
  if (convolutions > 0) return 'cnn';
  return softmaxOfProducts > 0 && image ? 'vit' : 'unknown';
}

/** True for operators that multiply and accumulate without a sliding kernel. */
const isProduct = (n: Node): boolean => operatorFor(n.key)?.macs !== undefined && !traitsOf(n).linear?.slides;
