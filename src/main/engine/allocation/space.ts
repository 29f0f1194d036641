/** What the allocator may choose from: groups and blocks, less what the recipe freezes, in the order of the scores. */
import type { Recipe } from '../../../shared/model/job.ts';
import type { LatencyModel } from '../latency/predict.ts';
import { predictMs, WHOLE, type Space, type State } from './state.ts';
import type { Group, ResidualBlock } from '../structures/axes/types.ts';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Scores } from '../criteria/contract.ts';

/** Share of the whole model's time. */
const WORTH = 0.002;

export function openSpace(
  groups: readonly Group[],
  blocks: readonly ResidualBlock[],
  scores: Scores,
  counts: ReadonlyMap<string, readonly number[]>,
  latency: LatencyModel,
  recipe: Recipe,
): { space: Space; start: State } {
  const frozen = recipe.freeze.map(globOf);
  const isFrozen = (names: readonly string[]): boolean => names.some((n) => frozen.some((f) => f(n)));
  // Groups are named after the operator that makes them: such a name means that group, not all that the operator reads.
  const ids = new Set(groups.map((g) => g.id));
  const hand = Object.entries(recipe.keep).map(([pattern, ratio]) => ({
    match: globOf(pattern),
    pattern,
    ratio,
    used: false,
  }));
  const offered = new Map<string, readonly number[]>();
  const keep = new Map<string, number>();
  for (const g of groups) {
    const fixed = hand.filter((h) => h.match(g.id));
    for (const h of fixed) h.used = true;
    if (fixed.length) {
      keep.set(
        g.id,
        roundTo(
          g,
          Math.max(g.multiple, Math.round((fixed.find((h) => h.pattern === g.id) ?? fixed.at(-1)!).ratio * g.units)),
        ),
      );
      continue;
    }
    if (!recipe.channels || isFrozen([g.id]) || isFrozen(nodeNames(g).filter((n) => !ids.has(n)))) continue;
    const least = Math.max(g.multiple, Math.ceil(recipe.floor * g.units));
    const list = worthwhile(
      g,
      (counts.get(g.id) ?? [g.units]).filter((c) => c >= least),
      latency,
    );
    if (list.length > 1) offered.set(g.id, list);
  }
  const unused = hand.find((h) => !h.used);
  if (unused)
    throw new SecateurError('recipe-invalid', {
      path: recipe.name,
      reason: `keep names ${unused.pattern}, and no group has that name`,
    });
  const droppable = new Set(
    recipe.blocks ? blocks.filter((b) => !isFrozen([b.id, ...b.nodes.map((n) => n.name)])).map((b) => b.id) : [],
  );
  const order = new Map(
    groups.map((g) => {
      const s = scores.get(g.id);
      const units = Array.from({ length: g.units }, (_, i) => i);
      return [g.id, s ? units.sort((a, b) => s[a]! - s[b]! || a - b) : units] as const;
    }),
  );
  return { space: { groups, blocks, order, counts: offered, droppable, latency }, start: { ...WHOLE, keep } };
}

/** Of the steps, those that save something to speak of over the step before: every count that is offered has to be tried. */
function worthwhile(g: Group, counts: readonly number[], latency: LatencyModel): number[] {
  const out = [g.units];
  let last = latency.groupMs(g.id, g.units);
  for (const c of [...counts].sort((a, b) => b - a)) {
    const ms = latency.groupMs(g.id, c);
    if (c >= g.units || last - ms < WORTH * latency.baselineMs) continue;
    out.push(c);
    last = ms;
  }
  return out.reverse();
}

const nodeNames = (g: Group): string[] => g.members.flatMap((m) => m.nodes.map((n) => n.name)).filter((n) => n !== '');
const roundTo = (g: Group, n: number): number => Math.min(g.units, Math.round(n / g.multiple) * g.multiple);

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

/** The fastest plan there is: every block that may go and every group at its fastest count. */
export function leastState(space: Space, start: State): State {
  const keep = new Map(start.keep);
  for (const [id, counts] of space.counts) {
    // The smallest count is not always the fastest.
    const best = counts.reduce((a, b) => (space.latency.groupMs(id, b) <= space.latency.groupMs(id, a) ? b : a));
    keep.set(id, best);
  }
  const withBlocks: State = { keep, dropped: new Set(space.droppable) };
  const without: State = { keep, dropped: new Set() };
  return predictMs(space, withBlocks) <= predictMs(space, without) ? withBlocks : without;
}
