/**
 * The tokens with the most attention, and one that stands for all others: their sum weighted by the attention (Liang et
 * al. 2022, "EViT", 2202.07800; the weights are not scaled to 1, as in the published code). The fused token takes the
 * place of the first token that it replaces, so that keep - 1 tokens stay as they are.
 */
import type { TokenMethod } from '../method.ts';
import { defineMethod } from '../support/define.ts';
import { ascending, columns, freeRows, largest, takeRows, withFixed } from '../support/rows.ts';

export const method: TokenMethod = defineMethod({
  name: 'evit',
  summary: 'The tokens with the most attention, the others fused into one',
  needs: ['attention'],
  merges: false,
  auto: true,
  emit(b, inputs, keep) {
    const n = inputs.count - inputs.fixed;
    const tokens = freeRows(b, inputs.tokens, inputs);
    const { values, index } = largest(b, freeRows(b, inputs.attention!, inputs), n);
    const weights = b.unsqueeze(columns(b, values, keep - 1, n), [1]);
    const fused = b.matmul(weights, takeRows(b, tokens, columns(b, index, keep - 1, n), n));
    const first = columns(b, index, 0, keep - 1);
    const content = keep === 1 ? fused : b.concat([takeRows(b, tokens, first, n), fused], 1);
    const places = ascending(b, columns(b, index, 0, keep), keep);
    return withFixed(b, inputs, { index: places.index, content: takeRows(b, content, places.order, keep) });
  },
});
