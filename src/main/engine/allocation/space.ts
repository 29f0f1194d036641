/** Opens the space that an allocator searches: structures that the recipe does not freeze, units in the order of scores. */
import type { Recipe } from '../../../shared/model/job.ts';
import type { LatencyModel } from '../latency/predict.ts';
import { predictMs, type Space, type State } from './state.ts';
import type { Structure } from '../structures/contract.ts';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Scores } from '../criteria/contract.ts';

/** As a share of the whole model's time. */
const WORTH = 0.002;

/** @param counts levels at which the measured latency has a step, by structure id */
export function openSpace(
  structures: readonly Structure[],
  scores: Scores,
  counts: ReadonlyMap<string, readonly number[]>,
  latency: LatencyModel,
  recipe: Recipe,
): { space: Space; start: State } {
  const frozen = recipe.freeze.map(globOf);
  const isFrozen = (names: readonly string[]): boolean => names.some((n) => frozen.some((f) => f(n)));
  const hand = Object.entries(recipe.keep).map(([pattern, ratio]) => ({
    match: globOf(pattern),
    pattern,
    ratio,
    used: false,
  }));
  const levels = new Map<string, readonly number[]>();
  const start = new Map<string, number>();
  for (const s of structures) {
    const fixed = s.kind.levelAt ? hand.filter((h) => h.match(s.name)) : [];
    for (const h of fixed) h.used = true;
    if (fixed.length) {
      start.set(s.id, s.kind.levelAt!(s, (fixed.find((h) => h.pattern === s.name) ?? fixed.at(-1)!).ratio));
      continue;
    }
    if (s.kind.allowed?.(recipe) === false || isFrozen(s.aliases)) continue;
    const offered = s.kind.levels(s, { steps: counts.get(s.id), floor: recipe.floor });
    const list = s.axes ? worthwhile(s, offered, latency) : offered;
    if (list.length > 1) levels.set(s.id, list);
  }
  const unused = hand.find((h) => !h.used);
  if (unused)
    throw new SecateurError('recipe-invalid', {
      path: recipe.name,
      reason: `keep names ${unused.pattern}, and no group has that name`,
    });
  const order = new Map(
    structures.map((s) => {
      const score = scores.get(s.id);
      const units = Array.from({ length: s.units }, (_, i) => i);
      return [s.id, score ? units.sort((a, b) => score[a]! - score[b]! || a - b) : units] as const;
    }),
  );
  return { space: { structures, order, levels, latency }, start };
}

/** Levels that save a noticeable time over the level before. Every offered level costs a trial. */
function worthwhile(s: Structure, levels: readonly number[], latency: LatencyModel): number[] {
  const out = [s.units];
  let last = latency.groupMs(s.id, s.units);
  for (const n of [...levels].sort((a, b) => b - a)) {
    const ms = latency.groupMs(s.id, n);
    if (n >= s.units || last - ms < WORTH * latency.baselineMs) continue;
    out.push(n);
    last = ms;
  }
  return out.reverse();
}

/** `*` stands for any characters. */
function globOf(pattern: string): (name: string) => boolean {
  const re = new RegExp(
    `^${pattern
      .split('*')
      .map((s) => s.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
  );
  return (name) => re.test(name);
}

/** The fastest possible plan: every structure at its fastest level. */
export function leastState(space: Space, start: State): State {
  const narrow = new Map(start);
  const removed = new Map<string, number>();
  for (const s of space.structures) {
    const levels = space.levels.get(s.id);
    if (!levels) continue;
    const ms = (n: number): number => space.latency.groupMs(s.id, n);
    // The smallest width is not always the fastest.
    if (s.axes)
      narrow.set(
        s.id,
        levels.reduce((a, b) => (ms(b) <= ms(a) ? b : a)),
      );
    else removed.set(s.id, levels[0]!);
  }
  const all: State = new Map([...narrow, ...removed]);
  return predictMs(space, all) <= predictMs(space, narrow) ? all : narrow;
}
