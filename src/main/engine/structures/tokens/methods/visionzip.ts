/**
 * Dominant tokens by attention, and contextual ones that collect the rest (Yang et al. 2024, "VisionZip", 2412.04467):
 * every n-th of the rest is a target, the others join the target with the most similar key, and a target becomes itself
 * plus the mean of those that joined it.
 */
import { int } from '../../../ir/attribute.ts';
import type { TokenMethod } from '../method.ts';
import { defineMethod } from '../support/define.ts';
import { ascending, columns, freeRows, largest, oneHotRows, takeRows, upTo, withFixed } from '../support/rows.ts'; // prettier-ignore
import { products, unitRows } from '../support/similarity.ts';

/** Contextual tokens among those kept, as published for 64 = 54 + 10. */
const CONTEXTUAL = 10 / 64;

export const method: TokenMethod = defineMethod({
  name: 'visionzip',
  summary: 'The tokens with the most attention, and a few that collect the others',
  needs: ['attention', 'keys'],
  merges: false,
  emit(b, inputs, keep) {
    const n = inputs.count - inputs.fixed;
    const contextual = Math.max(1, Math.round(keep * CONTEXTUAL));
    const dominant = keep - contextual;
    const left = n - dominant;
    const tokens = freeRows(b, inputs.tokens, inputs);
    const byAttention = largest(b, freeRows(b, inputs.attention!, inputs), n).index;
    const rest = ascending(b, columns(b, byAttention, dominant, n), left).index;

    const step = Math.floor(left / contextual);
    const targetsAt = upTo(contextual).map((i) => i * step);
    const joiningAt = upTo(left).filter((i) => !targetsAt.includes(i));
    const targets = b.gather(rest, targetsAt, 1);
    const joining = b.gather(rest, joiningAt, 1);
    const unit = unitRows(b, freeRows(b, inputs.keys!, inputs));
    const cosines = products(b, takeRows(b, unit, joining, n), takeRows(b, unit, targets, n));
    const nearest = b.op('ArgMax', [cosines], { axis: int(2), keepdims: int(0) });
    const joins = b.transpose(oneHotRows(b, nearest, contextual), [0, 2, 1]);
    const joined = b.op('Max', [b.reduceSum(joins, [2], true), b.scalar(1)]);
    const means = b.div(b.matmul(joins, takeRows(b, tokens, joining, n)), joined);
    const collected = b.add(takeRows(b, tokens, targets, n), means);

    if (dominant === 0) return withFixed(b, inputs, { index: targets, content: collected });
    const first = columns(b, byAttention, 0, dominant);
    const content = b.concat([takeRows(b, tokens, first, n), collected], 1);
    const places = ascending(b, b.concat([first, targets], 1), keep);
    return withFixed(b, inputs, { index: places.index, content: takeRows(b, content, places.order, keep) });
  },
});
