/** Tokens drawn at random when the graph is built, the same ones for every sample: the baseline to beat. */
import { seededRandom } from '../../../random.ts';
import type { TokenMethod } from '../method.ts';
import { defineMethod } from '../support/define.ts';
import { sameIndex, upTo, withFixed } from '../support/rows.ts';

export const method: TokenMethod = defineMethod({
  name: 'random',
  summary: 'Random tokens, drawn once for all images',
  needs: [],
  merges: false,
  emit(b, inputs, keep) {
    const all = seededRandom(inputs.seed).shuffle(upTo(inputs.count - inputs.fixed));
    const at = all.slice(0, keep).sort((x, y) => x - y);
    return withFixed(b, inputs, { index: sameIndex(b, inputs.tokens, at) });
  },
});
