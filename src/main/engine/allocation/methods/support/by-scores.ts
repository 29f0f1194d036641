/**
 * Allocations to compare with, all without a measurement of the output: the same keep ratio everywhere; one ranking of all
 * units; one ranking per class of groups of the same shape (isomorphic pruning, Fang et al. 2024).
 */
import type { Group } from '../../../pruning/types.ts';
import { applyMove, predictMs, WHOLE, type Space, type State } from '../../state.ts';

export type BaselineName = 'uniform' | 'global' | 'isomorphic';

/**
 * The state whose predicted latency is closest to `ms` from below, by bisection over how much goes.
 * @param scores importance per unit and group id
 */
export function baselineState(
  name: BaselineName,
  space: Space,
  scores: ReadonlyMap<string, ArrayLike<number>>,
  ms: number,
  start: State = WHOLE,
): State {
  const at = (share: number): State => shrink(name, space, scores, share, start);
  let [low, high] = [0, 1];
  for (let i = 0; i < 24; i++) {
    const middle = (low + high) / 2;
    if (predictMs(space, at(middle)) <= ms) high = middle;
    else low = middle;
  }
  return at(high);
}

function shrink(
  name: BaselineName,
  space: Space,
  scores: ReadonlyMap<string, ArrayLike<number>>,
  share: number,
  start: State,
): State {
  const groups = space.groups.filter((g) => space.counts.has(g.id) && !start.keep.has(g.id));
  const keep = new Map<string, number>();
  if (name === 'uniform') for (const g of groups) keep.set(g.id, g.units * (1 - share));
  else {
    const classes = new Map<string, Group[]>();
    for (const g of groups) {
      const key = name === 'global' ? '' : shapeOf(g);
      classes.set(key, [...(classes.get(key) ?? []), g]);
    }
    for (const list of classes.values()) rank(list, scores, share, name === 'global', keep);
  }
  let s = start;
  for (const [group, want] of keep) {
    const counts = space.counts.get(group)!;
    // The nearest count that is offered: never below the floor, which is the smallest of them.
    const to = counts.reduce((a, b) => (Math.abs(b - want) < Math.abs(a - want) ? b : a));
    s = applyMove(s, { kind: 'narrow', group, to });
  }
  return s;
}

/** Keeps the best share of all units in one ranking. Scores of different layers are made comparable by their mean. */
function rank(
  groups: readonly Group[],
  scores: ReadonlyMap<string, ArrayLike<number>>,
  share: number,
  normalise: boolean,
  into: Map<string, number>,
): void {
  const all: { group: string; score: number }[] = [];
  for (const g of groups) {
    const s = Array.from(scores.get(g.id)!);
    const mean = normalise ? s.reduce((a, b) => a + b, 0) / s.length || 1 : 1;
    for (const x of s) all.push({ group: g.id, score: x / mean });
    into.set(g.id, 0);
  }
  all.sort((a, b) => b.score - a.score);
  for (const { group } of all.slice(0, Math.round(all.length * (1 - share)))) into.set(group, into.get(group)! + 1);
}

const shapeOf = (g: Group): string =>
  g.members
    .filter((m) => m.value.initializer)
    .map((m) => `${m.role}${m.axis}:${m.value.initializer!.dims.join('x')}`)
    .sort()
    .join(' ');
