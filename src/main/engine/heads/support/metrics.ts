/** Figures over single output arrays, accumulated in double precision. */

/** Index of the largest element of a strided row; the first one on ties. NaN never wins. */
export function argmax(a: ArrayLike<number>, at: number, n: number, stride = 1): number {
  let best = -1,
    value = -Infinity;
  for (let k = 0; k < n; k++) {
    const x = a[at + k * stride]!;
    if (x > value || (best < 0 && x === x)) {
      value = x;
      best = k;
    }
  }
  return best;
}

/** Whether `label` is among the `k` largest of a row. Ties count for the earlier class. */
export function inTop(a: ArrayLike<number>, at: number, n: number, label: number, k: number): boolean {
  const own = a[at + label]!;
  if (Number.isNaN(own)) return false;
  let ahead = 0;
  for (let c = 0; c < n; c++) {
    const x = a[at + c]!;
    if (x > own || (x === own && c < label)) ahead++;
  }
  return ahead < k;
}

/** Whether a row is a probability distribution: no negatives, sum 1. */
export function isDistribution(a: ArrayLike<number>, at: number, n: number): boolean {
  let sum = 0;
  for (let k = 0; k < n; k++) {
    const x = a[at + k]!;
    if (!(x >= 0)) return false;
    sum += x;
  }
  return Math.abs(sum - 1) < 1e-3;
}

/** log softmax of a row, or the logarithm of a distribution. Log-probabilities are returned unchanged. */
export function logProbabilities(a: ArrayLike<number>, at: number, n: number, distribution: boolean): Float64Array {
  const out = new Float64Array(n);
  if (distribution) {
    for (let k = 0; k < n; k++) out[k] = Math.log(Math.max(a[at + k]!, 1e-12));
    return out;
  }
  let max = -Infinity,
    sum = 0;
  for (let k = 0; k < n; k++) max = Math.max(max, a[at + k]!);
  for (let k = 0; k < n; k++) sum += Math.exp(a[at + k]! - max);
  const shift = max + Math.log(sum);
  for (let k = 0; k < n; k++) out[k] = a[at + k]! - shift;
  return out;
}

/** KL(p || q) in nats from log-probabilities. */
export function klDivergence(logP: Float64Array, logQ: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < logP.length; k++) if (logP[k]! > -700) sum += Math.exp(logP[k]!) * (logP[k]! - logQ[k]!);
  return Math.max(0, sum); // rounding can give a few ulp below zero
}

export interface Difference {
  /** Sums of squares of the reference, of the other and of their difference, and their inner product. */
  readonly signal: number;
  readonly other: number;
  readonly noise: number;
  readonly dot: number;
  readonly maxAbs: number;
  /** Smallest and largest element of the reference. */
  readonly min: number;
  readonly max: number;
  /** Number of non-finite elements where the reference is finite. They are left out of the sums. */
  readonly nonFinite: number;
}

/** Compares `n` elements starting at `at`. Elements that are not finite in the reference are left out. */
export function difference(ref: ArrayLike<number>, out: ArrayLike<number>, at = 0, n = ref.length): Difference {
  let signal = 0,
    other = 0,
    noise = 0,
    dot = 0,
    maxAbs = 0,
    nonFinite = 0,
    min = Infinity,
    max = -Infinity;
  for (let i = at; i < at + n; i++) {
    const r = ref[i]!,
      o = out[i]!;
    if (!Number.isFinite(r)) continue;
    if (!Number.isFinite(o)) {
      nonFinite++;
      continue;
    }
    const d = o - r;
    signal += r * r;
    other += o * o;
    noise += d * d;
    dot += r * o;
    if (Math.abs(d) > maxAbs) maxAbs = Math.abs(d);
    if (r < min) min = r;
    if (r > max) max = r;
  }
  return { signal, other, noise, dot, maxAbs, min, max, nonFinite };
}

/** 10 log10(signal / noise), limited to +-200 dB; null without any noise. */
export function decibels(signal: number, noise: number): number | null {
  if (noise === 0) return null;
  return Math.min(200, Math.max(-200, 10 * Math.log10(signal / noise)));
}
