/** The state of a search: the level of every structure. Pure bookkeeping for allocators. */
import type { Plan } from '../../../shared/model/types.ts';
import type { Node } from '../ir/node.ts';
import type { LatencyModel } from '../latency/predict.ts';
import { choiceOf } from '../structures/choices.ts';
import type { ShapeChange, Structure } from '../structures/contract.ts';

/** The structures and levels that an allocator chooses from. */
export interface Space {
  readonly structures: readonly Structure[];
  /** Units of each structure by importance, least important first; absent: in the order of their indices. */
  readonly order: ReadonlyMap<string, readonly number[]>;
  /** Levels offered per structure id, ascending, all units last. An absent structure stays whole. */
  readonly levels: ReadonlyMap<string, readonly number[]>;
  readonly latency: LatencyModel;
}

/** Levels by structure id; absent = all units. */
export type State = ReadonlyMap<string, number>;

/** @internal */
export const WHOLE: State = new Map();

/** One structure reduced to a lower level. */
export interface Move {
  readonly structure: string;
  readonly to: number;
}

export const applyMove = (s: State, { structure, to }: Move): State => new Map(s).set(structure, to);

export const levelOf = ({ id, units }: Structure, s: State): number => s.get(id) ?? units;

/** Units removed from a structure at a level, ascending. */
export function removedUnits(space: Space, { id, units }: Structure, level: number): number[] {
  const order = space.order.get(id) ?? Array.from({ length: units }, (_, i) => i);
  return order.slice(0, units - level).sort((a, b) => a - b);
}

/** Structures by id, and their shape changes by level. They are read some hundred thousand times per allocation. */
interface Lookups {
  readonly byId: ReadonlyMap<string, Structure>;
  readonly changes: Map<string, Map<number, ShapeChange>>;
}
const lookups = new WeakMap<Space, Lookups>();

function lookupsOf(space: Space): Lookups {
  let found = lookups.get(space);
  if (!found)
    lookups.set(space, (found = { byId: new Map(space.structures.map((s) => [s.id, s])), changes: new Map() }));
  return found;
}

function changeAt(space: Space, id: string, level: number): ShapeChange {
  const { byId, changes } = lookupsOf(space);
  const of = changes.get(id) ?? new Map<number, ShapeChange>();
  changes.set(id, of);
  let change = of.get(level);
  if (!change) {
    const s = byId.get(id)!;
    of.set(level, (change = s.kind.shapes(s, removedUnits(space, s, level))));
  }
  return change;
}

/** Nodes that no longer run. */
export function goneNodes(space: Space, s: State): Set<Node> {
  const gone = new Set<Node>();
  for (const [id, level] of s) for (const n of changeAt(space, id, level).gone) gone.add(n);
  return gone;
}

/** True when all nodes that hold the structure's own weights are removed, so its level has no effect. */
export const isGone = ({ makers }: Structure, gone: ReadonlySet<Node>): boolean =>
  makers.length > 0 && makers.every((n) => gone.has(n));

/** Predicted milliseconds of a plan. */
export function predictMs(space: Space, s: State): number {
  const keep = new Map<string, number>();
  for (const [id, level] of s) {
    const left = changeAt(space, id, level).keep;
    if (left !== undefined) keep.set(id, left);
  }
  return space.latency.predict(keep, goneNodes(space, s));
}

/** @param files sha256 of the original model file of each component */
export function planOf(space: Space, s: State, files: Plan['package']): Plan {
  const gone = goneNodes(space, s);
  const choices = space.structures.flatMap((x) => {
    const level = levelOf(x, s);
    // The level of a structure that is removed with another one has no effect.
    if (level >= x.units || (level > 0 && isGone(x, gone))) return [];
    return [choiceOf(x, removedUnits(space, x, level))];
  });
  return { version: 2, package: files, choices };
}

/**
 * Each step costs a trial. With more than one step ahead, a step that saves little does not hide a good one after it.
 */
const STEPS_AHEAD = 3;

/** Every possible next move: each structure to its next lower levels. */
export function movesFrom(space: Space, s: State): Move[] {
  const gone = goneNodes(space, s);
  return space.structures.flatMap((x): Move[] => {
    if (isGone(x, gone)) return [];
    const lower = (space.levels.get(x.id) ?? []).filter((n) => n < levelOf(x, s));
    return lower.slice(-STEPS_AHEAD).map((to) => ({ structure: x.id, to }));
  });
}

export const moveKey = ({ structure, to }: Move): string => `${structure} ${to}`;

/** True when `next` makes `done` redundant: it lowers the same structure further, or removes a structure around it. */
export function replaces(space: Space, next: Move, done: Move): boolean {
  if (next.structure === done.structure) return true;
  const structure = lookupsOf(space).byId.get(done.structure);
  return structure !== undefined && isGone(structure, new Set(changeAt(space, next.structure, next.to).gone));
}
