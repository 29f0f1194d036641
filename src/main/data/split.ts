/** Selects and splits samples: seeded, and balanced over the classes when there are labels. */
import { seededRandom, type Random } from '../engine/random.ts';

/** Indices grouped by label, each group shuffled; one group when there are no labels. */
function strata(n: number, labels: ArrayLike<number> | null | undefined, random: Random): number[][] {
  const groups = new Map<number, number[]>();
  for (let i = 0; i < n; i++) {
    const key = labels ? labels[i]! : 0;
    const g = groups.get(key);
    if (g) g.push(i);
    else groups.set(key, [i]);
  }
  return [...groups.entries()].sort((a, b) => a[0] - b[0]).map(([, g]) => random.shuffle(g));
}

/** `count` indices of 0..n-1, ascending. Classes take turns, so that small counts cover as many classes as possible. */
export function sampleIndices(
  n: number,
  count: number,
  options: { readonly seed: number; readonly labels?: ArrayLike<number> | null },
): number[] {
  if (count >= n) return Array.from({ length: n }, (_, i) => i);
  const random = seededRandom(options.seed),
    groups = random.shuffle(strata(n, options.labels, random)),
    out: number[] = [];
  for (let round = 0; out.length < count; round++)
    for (const g of groups) if (round < g.length && out.length < count) out.push(g[round]!);
  return out.sort((a, b) => a - b);
}

/** Minimum number of holdout samples, where at least as many remain for training. */
const JUDGES = 100;

/**
 * Holdout size out of `n` samples: the requested share, or up to half when samples are few. A tenth of 200 gives an
 * accuracy only to within 20 points; compensation loses little with 100 samples instead of 180.
 */
export const holdoutCount = (n: number, share: number): number =>
  share <= 0 ? 0 : Math.max(share < 1 ? Math.round(n * share) : Math.floor(share), Math.min(JUDGES, Math.floor(n / 2)));

/**
 * Splits 0..n-1 into two disjoint ascending lists. `holdout` is a share (below 1) or a number of samples; both parts
 * have at least one sample when n >= 2 and holdout > 0. With labels, each class is split in the same proportion as far
 * as possible.
 */
export function splitIndices(
  n: number,
  options: { readonly holdout: number; readonly seed: number; readonly labels?: ArrayLike<number> | null },
): { train: number[]; holdout: number[] } {
  const wanted = options.holdout < 1 ? Math.round(n * options.holdout) : Math.floor(options.holdout);
  const count = options.holdout <= 0 ? 0 : Math.min(Math.max(wanted, 1), Math.max(n - 1, 0));
  const groups = strata(n, options.labels, seededRandom(options.seed));
  // Largest remainders: floors first, then the classes that lost most by rounding.
  const exact = groups.map((g) => (n ? (g.length * count) / n : 0)),
    take = exact.map(Math.floor);
  const order = exact.map((x, k) => [x - take[k]!, k] as const).sort((a, b) => b[0] - a[0] || a[1] - b[1]);
  for (let left = count - take.reduce((a, b) => a + b, 0), k = 0; left > 0; left--, k++) take[order[k]![1]]!++;
  const held = groups.flatMap((g, k) => g.slice(0, take[k])),
    rest = groups.flatMap((g, k) => g.slice(take[k]));
  const ascending = (a: number, b: number): number => a - b;
  return { train: rest.sort(ascending), holdout: held.sort(ascending) };
}
