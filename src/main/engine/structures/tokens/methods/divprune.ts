/**
 * The most diverse tokens: first the one that is farthest from its nearest neighbour, then always the one that is
 * farthest from all chosen ones, by the distance 1 - cosine (Alvar et al. 2025, "DivPrune", 2503.02175). Works with
 * cosines, whose minimum is the maximum of the distance.
 */
import { int } from '../../../ir/attribute.ts';
import type { Value } from '../../../ir/value.ts';
import type { TokenMethod } from '../method.ts';
import { defineMethod } from '../support/define.ts';
import { ascending, freeRows, withFixed } from '../support/rows.ts';
import { diagonal, products, rowAt, unitRows } from '../support/similarity.ts';

/** Added to the cosine of a token with itself, so that a chosen token is never the least similar one again. */
const CHOSEN = 4;

export const method: TokenMethod = defineMethod({
  name: 'divprune',
  summary: 'The most diverse tokens, each the farthest from those before',
  needs: [],
  merges: false,
  emit(b, inputs, keep) {
    const n = inputs.count - inputs.fixed;
    const unit = unitRows(b, freeRows(b, inputs.tokens, inputs));
    const cosines = products(b, unit, unit);
    const rows = b.add(cosines, diagonal(b, n, CHOSEN));
    const least = (x: Value): Value => b.op('ArgMin', [x], { axis: int(2), keepdims: int(1) });
    let nearest = b.reduceMax(b.sub(cosines, diagonal(b, n, CHOSEN)), [1], true);
    const chosen: Value[] = [least(nearest)];
    while (chosen.length < keep) {
      const row = rowAt(b, rows, chosen.at(-1)!, n);
      nearest = chosen.length === 1 ? row : b.op('Max', [nearest, row]);
      chosen.push(least(nearest));
    }
    const index = b.squeeze(b.concat(chosen, 1), [2]);
    return withFixed(b, inputs, { index: ascending(b, index, keep).index });
  },
});
