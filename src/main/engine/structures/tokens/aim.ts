/**
 * The next schedule to measure for a time: of the kinds of schedules (a method at certain places), the one that is
 * expected to change the outputs least at that time, with the number of tokens that should reach it.
 */
import type { TokenSchedule } from '../../../../shared/model/types.ts';
import { shareOf } from './candidates.ts';
import type { TokenPlaces } from './places.ts';
import { tokenMethod } from './registry.ts';

/** A schedule whose cost is known. */
export interface KnownSchedule {
  readonly schedule: TokenSchedule;
  /** Change of the outputs. */
  readonly cost: number;
  /** Measured latency over the original's, where it was measured. */
  readonly ratio?: number;
}

interface Point extends KnownSchedule {
  /** Tokens that the layers of attention read, as a share of all. */
  readonly share: number;
}

/**
 * Null where every kind has been measured as near to the time as its numbers of tokens allow.
 * @param goal latency over the original's; schedules may not be slower
 */
export function aimAt(goal: number, known: readonly KnownSchedule[], found: TokenPlaces): TokenSchedule | null {
  const points = known.map((k) => ({ ...k, share: shareOf(k.schedule, found.places, found.layers) }));
  const slope = medianSlope(points);
  const measured = new Set(known.filter((k) => k.ratio !== undefined).map((k) => JSON.stringify(k.schedule)));
  const kinds = new Map<string, Point[]>();
  for (const p of points) kinds.set(kindOf(p.schedule), [...(kinds.get(kindOf(p.schedule)) ?? []), p]);
  const aims = [...kinds.values()].flatMap((kind) => {
    const share = shareFor(goal, kind, slope);
    const schedule = share === null ? null : withShare(share, kind, found);
    if (!schedule || measured.has(JSON.stringify(schedule))) return [];
    const costs = kind.map((p): [number, number] => [p.share, p.cost]);
    return [{ schedule, cost: between([...costs, [1, 0]], shareOf(schedule, found.places, found.layers)) }];
  });
  return aims.reduce<(typeof aims)[number] | null>((a, b) => (a && a.cost <= b.cost ? a : b), null)?.schedule ?? null;
}

const kindOf = ({ method, steps }: TokenSchedule): string => [method, ...steps.map((s) => s.place)].join(' ');

/** Share of the time saved per share of the tokens left out, over all kinds. */
function medianSlope(points: readonly Point[]): number {
  const slopes = points.flatMap((p) => (p.ratio !== undefined && p.ratio < 1 ? [(1 - p.ratio) / (1 - p.share)] : []));
  return slopes.sort((a, b) => a - b)[slopes.length >> 1] ?? 1;
}

/** The share of tokens at which a kind should take a time; null where it is out of the kind's reach. */
function shareFor(goal: number, kind: readonly Point[], slope: number): number | null {
  const times = kind.flatMap((p): [number, number][] => (p.ratio === undefined ? [] : [[p.ratio, p.share]]));
  const known = times.length > 0 ? times : [[1 - slope / 2, 0.5] as [number, number]];
  const share = between([...known, [1, 1]], goal);
  const least = Math.min(...kind.map((p) => p.share));
  return share < least || share >= 1 ? null : share;
}

/** The schedule of a kind with a share of the tokens, or the next smaller one where the method offers certain numbers. */
function withShare(share: number, kind: readonly Point[], { places }: TokenPlaces): TokenSchedule | null {
  const sorted = [...kind].sort((a, b) => a.share - b.share);
  const low = sorted.findLast((p) => p.share <= share);
  if (!low) return null;
  if (tokenMethod(low.schedule.method)?.levels) return low.schedule;
  const high = sorted.find((p) => p.share > share) ?? { share: 1, schedule: allTokens(low.schedule, places) };
  const part = (share - low.share) / (high.share - low.share);
  const steps = low.schedule.steps.map(({ place, keep }, i) => ({
    place,
    keep: Math.floor(keep + part * (high.schedule.steps[i]!.keep - keep)),
  }));
  return { ...low.schedule, steps };
}

/** The schedule with every token kept. */
const allTokens = (s: TokenSchedule, places: TokenPlaces['places']): TokenSchedule => ({
  ...s,
  steps: s.steps.map(({ place }) => {
    const { count, fixed } = places.find((p) => p.name === place)!;
    return { place, keep: count - fixed };
  }),
});

/** Linear between the nearest two points, and on the line through them outside. */
function between(points: readonly (readonly [number, number])[], x: number): number {
  const sorted = [...points].sort((a, b) => a[0] - b[0]);
  const i = Math.max(
    1,
    sorted.findIndex((p) => p[0] >= x),
  );
  const [a, b] = [sorted[i - 1]!, sorted[i] ?? sorted.at(-1)!];
  return b[0] === a[0] ? b[1] : a[1] + ((x - a[0]) / (b[0] - a[0])) * (b[1] - a[1]);
}
