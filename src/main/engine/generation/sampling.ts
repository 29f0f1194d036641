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
  const count = s.topK > 0 ? Math.min(s.topK, logits.length) : logits.length;
  const ids = largest(logits, s.topP < 1 ? Math.min(count, mostFor(logits, count, s)) : count);
  const top = logits[ids[0]!]!;
  const weights = ids.map((id) => Math.exp((logits[id]! - top) / s.temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  return { ids, probabilities: weights.map((w) => w / total) };
}

/** Number of the largest logits, among `count`, whose probabilities first sum to at least `topP`. */
function mostFor(logits: ArrayLike<number>, count: number, { temperature, topP }: Sampling): number {
  // A typed array sorts by number, without calls.
  const sorted = Float64Array.from(logits).sort();
  const weight = (i: number): number => Math.exp((sorted.at(-1 - i)! - sorted.at(-1)!) / temperature);
  let total = 0;
  for (let i = 0; i < count; i++) total += weight(i);
  let [kept, sum] = [0, 0];
  // The candidate that crosses the limit stays, so that one always stays.
  while (kept < count && sum < topP * total) sum += weight(kept++);
  return Math.max(1, kept);
}

/** Indices of the `count` largest values, largest first; of equal ones the first. */
function largest(values: ArrayLike<number>, count: number): number[] {
  const sorted = Float64Array.from(values).sort();
  const least = sorted[sorted.length - count]!;
  const [above, equal]: [number[], number[]] = [[], []];
  for (let i = 0; i < values.length; i++) {
    if (values[i]! > least) above.push(i);
    else if (values[i] === least) equal.push(i);
  }
  return [...above, ...equal.slice(0, count - above.length)].sort((a, b) => values[b]! - values[a]! || a - b);
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
