/** A plan in the making: how many units of each group stay, and which blocks are gone. Pure bookkeeping for allocators. */
import type { Plan } from '../../../shared/model/types.ts';
import type { Node } from '../ir/node.ts';
import type { LatencyModel } from '../latency/predict.ts';
import { traitsOf } from '../ops/registry.ts';
import type { Group, ResidualBlock } from '../structures/axes/types.ts';

/** What an allocator chooses from. */
export interface Space {
  readonly groups: readonly Group[];
  readonly blocks: readonly ResidualBlock[];
  /** Units of each group by importance, least important first. */
  readonly order: ReadonlyMap<string, readonly number[]>;
  /** Counts offered per group, ascending, the full width last. A group that is absent stays whole. */
  readonly counts: ReadonlyMap<string, readonly number[]>;
  /** Blocks that may go. */
  readonly droppable: ReadonlySet<string>;
  readonly latency: LatencyModel;
}

export interface State {
  /** Kept units; absent = whole. */
  readonly keep: ReadonlyMap<string, number>;
  readonly dropped: ReadonlySet<string>;
}

export const WHOLE: State = { keep: new Map(), dropped: new Set() };

export type Move =
  | { readonly kind: 'narrow'; readonly group: string; readonly to: number }
  | { readonly kind: 'drop'; readonly block: string };

export function applyMove(s: State, m: Move): State {
  if (m.kind === 'drop') return { keep: s.keep, dropped: new Set([...s.dropped, m.block]) };
  return { keep: new Map([...s.keep, [m.group, m.to]]), dropped: s.dropped };
}

/** Nodes that go with the dropped blocks. */
export function goneNodes(space: Space, dropped: ReadonlySet<string>): Set<Node> {
  const gone = new Set<Node>();
  for (const b of space.blocks) {
    if (!dropped.has(b.id)) continue;
    for (const n of b.nodes) gone.add(n);
    gone.add(b.add);
    // The activation behind the sum is that of the block before: twice is once.
    for (const c of b.add.output().consumers()) if (traitsOf(c).idempotent) gone.add(c);
  }
  return gone;
}

/** True when every node that holds the group's own weights goes with dropped blocks. */
export function isGroupGone(g: Group, gone: ReadonlySet<Node>): boolean {
  const sources = g.members.filter((m) => m.role === 'source');
  return sources.length > 0 && sources.every((m) => m.nodes.every((n) => gone.has(n)));
}

/** Predicted milliseconds of a plan. */
export const predictMs = (space: Space, s: State): number => space.latency.predict(s.keep, goneNodes(space, s.dropped));

/** Units removed from a group at a keep count, ascending. */
export const removedUnits = (space: Space, group: Group, keep: number): number[] =>
  (space.order.get(group.id) ?? []).slice(0, group.units - keep).sort((a, b) => a - b);

/** @param model sha256 of the original model file */
export function planOf(space: Space, s: State, model: string): Plan {
  const gone = goneNodes(space, s.dropped);
  const groups = space.groups.flatMap((g) => {
    const keep = s.keep.get(g.id) ?? g.units;
    return keep >= g.units || isGroupGone(g, gone) ? [] : [{ group: g.id, removed: removedUnits(space, g, keep) }];
  });
  return { version: 1, model, groups, blocks: space.blocks.filter((b) => s.dropped.has(b.id)).map((b) => b.id) };
}

/** Each has to be tried; with more than one ahead, a step that saves little does not hide a good one behind it. */
const STEPS_AHEAD = 3;

/** Every next step down: each group to its next lower counts, each block that is still there. */
export function movesFrom(space: Space, s: State): Move[] {
  const gone = goneNodes(space, s.dropped);
  const narrow = space.groups.flatMap((g): Move[] => {
    const now = s.keep.get(g.id) ?? g.units;
    if (isGroupGone(g, gone)) return [];
    const lower = (space.counts.get(g.id) ?? []).filter((c) => c < now);
    return lower.slice(-STEPS_AHEAD).map((to) => ({ kind: 'narrow', group: g.id, to }));
  });
  const drop = space.blocks
    .filter((b) => space.droppable.has(b.id) && !s.dropped.has(b.id) && !b.nodes.every((n) => gone.has(n)))
    .map((b): Move => ({ kind: 'drop', block: b.id }));
  return [...narrow, ...drop];
}

export const moveKey = (m: Move): string => (m.kind === 'drop' ? `drop ${m.block}` : `narrow ${m.group} ${m.to}`);
