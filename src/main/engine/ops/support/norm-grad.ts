import type { GraphBuilder } from '../../autodiff/builder.ts';
import type { Value } from '../../ir/value.ts';

export interface Normalized {
  /** (x - mean) / sqrt(var + eps), of shape `rows`. */
  readonly xhat: Value;
  readonly inv: Value;
}

/** Normalises over the last axis of `rows` (x is reshaped to it), as the forward operator did. */
export function normalize(b: GraphBuilder, x: Value, rows: readonly number[], epsilon: number): Normalized {
  const last = [rows.length - 1];
  const flat = b.reshape(x, rows);
  const centred = b.sub(flat, b.reduceMean(flat, last, true));
  const variance = b.reduceMean(b.mul(centred, centred), last, true);
  const inv = b.op('Reciprocal', [b.sqrt(b.add(variance, b.scalar(epsilon)))]);
  return { xhat: b.mul(centred, inv), inv };
}

/** dx = (g - mean(g) - xhat mean(g xhat)) / sd over the last axis; g = scale dY, of shape `rows`. */
export function normInputGradient(b: GraphBuilder, n: Normalized, g: Value, rows: readonly number[]): Value {
  const last = [rows.length - 1];
  const along = b.mul(n.xhat, b.reduceMean(b.mul(g, n.xhat), last, true));
  return b.mul(b.sub(b.sub(g, b.reduceMean(g, last, true)), along), n.inv);
}
