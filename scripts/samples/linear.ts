// The baseline of the sample task: multinomial logistic regression on the normalised pixels, the
// best linear classifier that plain training finds. Evaluated on the whole test set.
import { seededRandom } from '../../src/main/engine/random.ts';

export interface LinearResult {
  readonly trainAccuracy: number;
  readonly testAccuracy: number;
}

/**
 * Trains on `x` [n, d] with labels `y` by momentum SGD (batch 64, cosine schedule), and reports both accuracies.
 * `weightDecay` is L2 per step on the weights.
 */
export function trainLinear(
  train: { readonly x: Float32Array; readonly y: Uint8Array },
  test: { readonly x: Float32Array; readonly y: Uint8Array },
  options: { readonly classes: number; readonly epochs: number; readonly rate: number; readonly weightDecay: number },
): LinearResult {
  const n = train.y.length;
  const d = train.x.length / n;
  const k = options.classes;
  const w = new Float32Array(k * d);
  const bias = new Float32Array(k);
  const velocity = new Float32Array(k * d);
  const gradient = new Float32Array(k * d);
  const random = seededRandom(1);
  const order = Array.from({ length: n }, (_, i) => i);
  const batch = 64;
  const steps = options.epochs * Math.floor(n / batch);

  for (let step = 0, at = n; step < steps; step++, at += batch) {
    if (at + batch > n) {
      random.shuffle(order);
      at = 0;
    }
    const rate = options.rate * 0.5 * (1 + Math.cos((Math.PI * step) / steps));
    gradient.fill(0);
    for (let b = 0; b < batch; b++) {
      const i = order[at + b]!;
      const row = train.x.subarray(i * d, (i + 1) * d);
      const p = softmax(scores(row, w, bias));
      p[train.y[i]!]! -= 1;
      for (let c = 0; c < k; c++) {
        const e = p[c]! / batch;
        bias[c]! -= rate * e;
        for (let j = 0, o = c * d; j < d; j++, o++) gradient[o]! += e * row[j]!;
      }
    }
    for (let o = 0; o < w.length; o++) {
      velocity[o] = 0.9 * velocity[o]! + gradient[o]! + options.weightDecay * w[o]!;
      w[o]! -= rate * velocity[o]!;
    }
  }
  const accuracy = ({ x, y }: { x: Float32Array; y: Uint8Array }): number =>
    y.reduce((hits, label, i) => hits + Number(argmax(scores(x.subarray(i * d, (i + 1) * d), w, bias)) === label), 0) /
    y.length;
  return { trainAccuracy: accuracy(train), testAccuracy: accuracy(test) };
}

function scores(row: Float32Array, w: Float32Array, bias: Float32Array): Float64Array {
  const out = Float64Array.from(bias);
  for (let c = 0; c < out.length; c++) {
    let s = 0;
    for (let j = 0, o = c * row.length; j < row.length; j++, o++) s += row[j]! * w[o]!;
    out[c]! += s;
  }
  return out;
}

function softmax(s: Float64Array): Float64Array {
  const max = Math.max(...s);
  const e = s.map((v) => Math.exp(v - max));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / sum);
}

/** Index of the largest value. */
export function argmax(a: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < a.length; i++) if (a[i]! > a[best]!) best = i;
  return best;
}
