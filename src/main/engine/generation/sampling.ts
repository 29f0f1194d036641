/** Chooses the next token from the logits of one position: greedily, or at random with a seed. */
import type { Random } from '../random.ts';

export interface Sampling {
  /** Logits are divided by it; above 0. */
  readonly temperature: number;
  /** Only the k largest logits stay; 0: all. */
  readonly topK: number;
  /** The fewest largest probabilities with at least this sum stay; 1: all. */
  readonly topP: number;
}

/** Index of the largest logit; the first of equal ones. */
export function greedy(logits: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}

/** Candidates with their probabilities, most probable first. They sum to 1. @internal */
export function candidates(logits: ArrayLike<number>, s: Sampling): { ids: number[]; probabilities: number[] } {
  const order = Array.from({ length: logits.length }, (_, i) => i).sort((a, b) => logits[b]! - logits[a]! || a - b);
  let ids = s.topK > 0 ? order.slice(0, s.topK) : order;
  const top = logits[ids[0]!]!;
  let weights = ids.map((id) => Math.exp((logits[id]! - top) / s.temperature));
  if (s.topP < 1) {
    const total = weights.reduce((a, b) => a + b, 0);
    let sum = 0;
    let kept = 0;
    // The candidate that crosses the limit stays, so that one always stays.
    while (kept < weights.length && sum < s.topP * total) sum += weights[kept++]!;
    kept = Math.max(1, kept);
    [ids, weights] = [ids.slice(0, kept), weights.slice(0, kept)];
  }
  const total = weights.reduce((a, b) => a + b, 0);
  return { ids, probabilities: weights.map((w) => w / total) };
}

/** A candidate drawn by its probability. */
export function sample(logits: ArrayLike<number>, s: Sampling, random: Random): number {
  const { ids, probabilities } = candidates(logits, s);
  let left = random.next();
  for (const [i, p] of probabilities.entries()) {
    left -= p;
    if (left < 0) return ids[i]!;
  }
  return ids.at(-1)!;
}
