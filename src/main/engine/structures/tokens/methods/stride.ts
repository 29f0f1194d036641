/** Tokens at even distances in their order, the same ones for every sample. */
import type { TokenMethod } from '../method.ts';
import { defineMethod } from '../support/define.ts';
import { sameIndex, upTo, withFixed } from '../support/rows.ts';

export const method: TokenMethod = defineMethod({
  name: 'stride',
  summary: 'Evenly spaced tokens, the same for every image',
  needs: [],
  merges: false,
  auto: true,
  emit(b, inputs, keep) {
    const n = inputs.count - inputs.fixed;
    const at = upTo(keep).map((i) => Math.floor(((i + 0.5) * n) / keep));
    return withFixed(b, inputs, { index: sameIndex(b, inputs.tokens, at) });
  },
});
