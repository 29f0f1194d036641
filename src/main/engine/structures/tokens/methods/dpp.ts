/**
 * The most probable subset of a determinantal point process, greedily (Zhang et al. 2025, "CDPruner", 2506.10967; the
 * search is that of Chen et al. 2018, 1709.05135). The kernel is K_ij = r_i cos_ij r_j. With a relevance to a text, r is
 * that relevance scaled to 0..1, else 1. Each round takes the token with the largest rest d of K_ii that the chosen ones
 * do not explain.
 */
import type { GraphBuilder } from '../../../autodiff/builder.ts';
import { int } from '../../../ir/attribute.ts';
import type { Value } from '../../../ir/value.ts';
import type { TokenInputs, TokenMethod } from '../method.ts';
import { defineMethod } from '../support/define.ts';
import { ascending, freeRows, withFixed } from '../support/rows.ts';
import { products, rowAt, unitRows } from '../support/similarity.ts';

/**
 * A rest below this share of K_ii is rounding: the token is a combination of chosen ones. It counts as 0, so that ties
 * among such tokens go to the lowest index on every machine.
 */
const EXPLAINED = 1e-5;

export const method: TokenMethod = defineMethod({
  name: 'dpp',
  summary: 'Determinantal point process: diverse tokens, weighted by relevance to the text where it is known',
  needs: [],
  merges: false,
  auto: true,
  emit(b, inputs, keep) {
    const n = inputs.count - inputs.fixed;
    const unit = unitRows(b, freeRows(b, inputs.tokens, inputs));
    const scale = relevance(b, inputs);
    const items = scale ? b.mul(unit, b.unsqueeze(scale, [2])) : unit;
    const index = b.squeeze(b.concat(search(b, items, ownShare(b, unit, scale), keep, n), 1), [2]);
    return withFixed(b, inputs, { index: ascending(b, index, keep).index });
  },
});

/** Relevance of the free tokens [B, n], scaled to 1e-6..1 + 1e-6 in every sample as published. */
function relevance(b: GraphBuilder, inputs: TokenInputs): Value | null {
  if (!inputs.relevance) return null;
  const raw = freeRows(b, inputs.relevance, inputs);
  const least = b.neg(b.reduceMax(b.neg(raw), [1], true));
  const range = b.sub(b.reduceMax(raw, [1], true), least);
  const scaled = b.div(b.sub(raw, least), b.op('Max', [range, b.scalar(1e-12)]));
  return b.add(scaled, b.scalar(1e-6));
}

/**
 * The diagonal of K, [B, 1, n]. The cosine of a token with itself is exactly 1 here, so that rounding does not choose
 * the first token; it is 0 for a token of zeros.
 */
function ownShare(b: GraphBuilder, unit: Value, scale: Value | null): Value {
  const own = b.unsqueeze(b.maskFloat(b.greater(b.reduceSum(b.mul(unit, unit), [2], false), b.scalar(0.5))), [1]);
  return scale ? b.mul(own, b.unsqueeze(b.mul(scale, scale), [1])) : own;
}

/**
 * Indices int64 [B, 1, 1] in the order of choice. The rounds are unrolled: for 64, 144 and 288 of 576 tokens they take
 * 0.75, 0.6 and 0.4 times as long as an ONNX Loop on the CPU, and WebGPU has no Loop. The batch axis must stay known to
 * shape inference (Reshape with 0, no Expand to a computed shape): each unknown axis makes loading slower, and 288
 * rounds took 17 s instead of 1.
 * @param items Float [B, n, D], K = items * items'
 * @param full diagonal of K, [B, 1, n]
 */
function search(b: GraphBuilder, items: Value, full: Value, keep: number, n: number): Value[] {
  const kernel = products(b, items, items);
  const limit = b.mul(full, b.scalar(EXPLAINED));
  const taken = b.sub(b.mul(b.reduceMax(full, [2], true), b.scalar(0)), b.scalar(1));
  // 0 for tokens that may be chosen, -1 for chosen ones.
  let floor = b.mul(full, b.scalar(0));
  let rest = full;
  let factors: Value | null = null;
  const chosen: Value[] = [];
  for (;;) {
    const at = b.op('ArgMax', [rest], { axis: int(2), keepdims: int(1) });
    chosen.push(at);
    if (chosen.length === keep) return chosen;
    // The next row of the Cholesky factor: the part of K's row that earlier rows leave, over the root of the rest. A
    // rest of 0 gives a row of zeros.
    const row = rowAt(b, kernel, at, n);
    const most = b.reduceMax(rest, [2], true);
    const left: Value = factors ? b.sub(row, b.matmul(coefficients(b, factors, at, chosen.length - 1), factors)) : row;
    const factor = b.mul(left, b.div(b.sqrt(most), b.add(most, b.scalar(1e-30))));
    factors = factors ? b.concat([factors, factor], 1) : factor;
    floor = b.op('ScatterElements', [floor, at, taken], { axis: int(2) });
    const next = b.sub(rest, b.mul(factor, factor));
    rest = b.where(b.greater(next, limit), next, floor);
  }
}

/** Entries of the token `at` in all rows of the factor so far: [B, 1, rows]. */
function coefficients(b: GraphBuilder, factors: Value, at: Value, rows: number): Value {
  const column = b.op('GatherElements', [factors, b.expand(at, [1, rows, 1])], { axis: int(2) });
  return b.reshape(column, [0, 1, rows]);
}
