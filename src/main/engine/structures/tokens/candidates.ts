/** Schedules worth comparing: which method reduces the tokens where, and how far. */
import type { TokenSchedule } from '../../../../shared/model/types.ts';
import type { TokenMethod } from './method.ts';
import type { TokenPlace, TokenPlaces } from './places.ts';
import { gridOf, unmet } from './schedule.ts';

export interface TokenCandidate {
  readonly schedule: TokenSchedule;
  /** Tokens that the layers of attention read, as a share of all; a rough measure of the work that is left. */
  readonly share: number;
}

/** Shares of the tokens that stay behind the last step. */
const LEVELS = [0.7, 0.4, 0.2];

/** Depths, as shares of the layers, at which methods that need attention reduce tokens (EViT, section 3.1). */
const STAGES = [0.25, 0.5, 0.75];

/** Depths at which methods that select once do so. */
const ONCE = [0, 0.25, 0.5];

/**
 * Schedules of the methods that the model's places can use. Merging goes on behind every layer (ToMe, section 3) or in
 * stages, which costs less time, methods by attention work in stages, and the others select once.
 */
export function tokenCandidates(
  { places, layers }: Pick<TokenPlaces, 'places' | 'layers'>,
  methods: readonly TokenMethod[],
  seed: number,
): TokenCandidate[] {
  const out = new Map<string, TokenCandidate>();
  for (const method of methods) {
    const usable = places.filter((p) => unmet(method, p).length === 0);
    if (usable.length === 0) continue;
    for (const level of LEVELS)
      for (const at of placesFor(method, usable, layers)) {
        const schedule = scheduleAt(method, at, level * (at[0]!.count - at[0]!.fixed), seed);
        if (!schedule) continue;
        out.set(JSON.stringify(schedule), { schedule, share: shareOf(schedule, places, layers) });
      }
  }
  return [...out.values()];
}

/**
 * The schedule of a method that ends with a number of tokens, at its usual depths; methods that select once do so at a
 * quarter of the layers. Null where the model's places lack what the method needs.
 * @param keep tokens that stay, fixed ones not counted
 */
export function scheduleFor(
  { places, layers }: Pick<TokenPlaces, 'places' | 'layers'>,
  method: TokenMethod,
  keep: number,
): TokenSchedule | null {
  const usable = places.filter((p) => unmet(method, p).length === 0);
  if (usable.length === 0) return null;
  const lists = placesFor(method, usable, layers);
  return scheduleAt(method, lists[Math.min(1, lists.length - 1)]!, keep, 0);
}

/** Lists of places that one schedule of the method uses, those of methods that select once from shallow to deep. */
function placesFor(method: TokenMethod, usable: readonly TokenPlace[], layers: number): TokenPlace[][] {
  const near = (depth: number): TokenPlace => usable.find((p) => p.layer >= depth * layers) ?? usable.at(-1)!;
  const distinct = (depths: readonly number[]): TokenPlace[] => [...new Set(depths.map(near))];
  if (method.merges) return [[...usable], distinct(STAGES)];
  if (method.needs.includes('attention') && !method.needs.includes('grid')) return [distinct(STAGES)];
  return distinct(ONCE).map((p) => [p]);
}

/** Steps of equal ratios down to a number of tokens; null where the method cannot keep such a number. */
function scheduleAt(
  method: TokenMethod,
  places: readonly TokenPlace[],
  last: number,
  seed: number,
): TokenSchedule | null {
  let before = Infinity;
  const steps = places.flatMap((place, i) => {
    const { count, fixed } = place;
    const free = count - fixed;
    // Rounding in the last power must not lose a token.
    const wanted = i === places.length - 1 ? last : free * (last / free) ** ((i + 1) / places.length);
    const offered = method.levels?.({ count, fixed, grid: gridOf(count - fixed) ?? undefined });
    const keep = offered ? (offered.findLast((n) => n <= wanted) ?? 0) : Math.max(1, Math.round(wanted));
    if (keep < 1 || keep >= Math.min(before, count - fixed)) return [];
    before = keep;
    return [{ place: place.name, keep }];
  });
  return steps.length > 0 ? { method: method.name, seed, steps } : null;
}

/** Tokens that the layers of attention read, as a share of all. */
export function shareOf({ steps }: TokenSchedule, places: readonly TokenPlace[], layers: number): number {
  const { count } = places[0]!;
  let read = 0;
  for (let layer = 0; layer < layers; layer++) {
    const last = steps.findLast((s) => places.find((p) => p.name === s.place)!.layer <= layer);
    const { fixed } = places[0]!;
    read += last ? last.keep + fixed : count;
  }
  return read / (count * layers);
}

/** The candidates that no other one beats in both figures, cheapest first. */
export function frontier<T extends { readonly cost: number; readonly share: number }>(all: readonly T[]): T[] {
  const sorted = [...all].sort((a, b) => a.cost - b.cost || a.share - b.share);
  let least = Infinity;
  return sorted.filter((c) => {
    if (c.share >= least) return false;
    least = c.share;
    return true;
  });
}
