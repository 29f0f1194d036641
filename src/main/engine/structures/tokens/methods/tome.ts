/**
 * Token merging by bipartite soft matching (Bolya et al. 2023, "Token Merging", 2210.09461, section 3): even tokens are
 * matched with the odd token of the most similar key, and the most similar pairs become one token, the mean weighted by
 * the number of original tokens in each. Fixed tokens never merge. One round merges at most half of the tokens; smaller
 * numbers take further rounds, in which the keys are merged like the tokens.
 */
import type { GraphBuilder } from '../../../autodiff/builder.ts';
import { int } from '../../../ir/attribute.ts';
import type { Value } from '../../../ir/value.ts';
import type { TokenMethod } from '../method.ts';
import { defineMethod } from '../support/define.ts';
import {
  ascending,
  columns,
  freeRows,
  largest,
  oneHotRows,
  perSample,
  sameIndex,
  takeEntries,
  takeRows,
  upTo,
  withFixed,
} from '../support/rows.ts';
import { products, unitRows } from '../support/similarity.ts';

/** Tokens that are left: their indices among the free ones int64 [B, n], contents, keys and sizes. */
interface State {
  readonly n: number;
  readonly index: Value;
  readonly content: Value;
  readonly keys: Value;
  /** Float [B, n, 1]. */
  readonly sizes: Value;
}

export const method: TokenMethod = defineMethod({
  name: 'tome',
  summary: 'Token merging: similar pairs become their weighted mean',
  needs: ['keys', 'sizes'],
  merges: true,
  auto: true,
  emit(b, inputs, keep) {
    const { tokens, count, fixed } = inputs;
    const n = count - fixed;
    const sizes = inputs.sizes ? freeRows(b, inputs.sizes, inputs) : perSample(b, tokens, b.scalar(1), [n]);
    let state: State = {
      n,
      index: sameIndex(b, tokens, upTo(n)),
      content: freeRows(b, tokens, inputs),
      keys: freeRows(b, inputs.keys!, inputs),
      sizes: b.unsqueeze(sizes, [2]),
    };
    while (state.n > keep) state = round(b, state, keep, fixed % 2);
    const { index, content } = state;
    return withFixed(b, inputs, { index, content, sizes: b.squeeze(state.sizes, [2]) });
  },
});

/**
 * Merges even tokens into odd ones, as many as there are or as needed.
 * @param evenFirst first even token, 0 or 1: parity counts from the first token, fixed ones included, as published
 */
function round(b: GraphBuilder, state: State, keep: number, evenFirst: number): State {
  const { n } = state;
  const evens = Math.ceil((n - evenFirst) / 2);
  const odds = n - evens;
  const merged = Math.min(evens, n - keep);
  const even = (x: Value): Value => b.slice(x, [evenFirst], [n], [1], [2]);
  const odd = (x: Value): Value => b.slice(x, [1 - evenFirst], [n], [1], [2]);
  const unit = unitRows(b, state.keys);
  const cosines = products(b, even(unit), odd(unit));
  const best = largest(b, b.reduceMax(cosines, [2], false), evens).index;
  const gone = columns(b, best, 0, merged);
  const partner = b.op('ArgMax', [cosines], { axis: int(2), keepdims: int(0) });
  // Float [B, odds, merged]: 1 where an even token joins an odd one.
  const joins = b.transpose(oneHotRows(b, takeEntries(b, partner, gone), odds), [0, 2, 1]);
  const goneSizes = takeRows(b, even(state.sizes), gone, evens);
  const newSizes = b.add(odd(state.sizes), b.matmul(joins, goneSizes));
  const means = (x: Value): Value => {
    const joined = b.matmul(joins, b.mul(takeRows(b, even(x), gone, evens), goneSizes));
    return b.div(b.add(b.mul(odd(x), odd(state.sizes)), joined), newSizes);
  };
  const oddAt = sameIndex(b, best, upTo(odds).map((i) => 2 * i + 1 - evenFirst)); // prettier-ignore
  if (merged === evens) {
    const index = takeEntries(b, state.index, oddAt);
    return { n: odds, index, content: means(state.content), keys: means(state.keys), sizes: newSizes };
  }
  const stay = columns(b, best, merged, evens);
  const evenAt = b.add(b.mul(stay, b.ints([2])), b.ints([evenFirst]));
  const { index: at, order } = ascending(b, b.concat([evenAt, oddAt], 1), n - merged);
  const joinRows = (evenRows: Value, oddRows: Value): Value =>
    takeRows(b, b.concat([takeRows(b, even(evenRows), stay, evens), oddRows], 1), order, n - merged);
  return {
    n: n - merged,
    index: takeEntries(b, state.index, at),
    content: joinRows(state.content, means(state.content)),
    keys: state.keys, // the last round: nothing reads them
    sizes: joinRows(state.sizes, newSizes),
  };
}
