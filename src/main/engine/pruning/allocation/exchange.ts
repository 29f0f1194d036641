/**
 * Local search behind the greedy path: undoes one move and makes another where both together lower the measured cost and
 * the time stays within. What was cheap when it was done may be dear now that other things are gone, above all blocks.
 * Single changes are measured once and their sums order the pairs; only the most promising pairs are measured (1-exchange
 * neighbourhood of the multiple-choice knapsack, with lazy evaluation).
 */
import { applyMove, movesFrom, predictMs, type Move, type Space, type State } from './state.ts';

export interface ExchangeOptions {
  /** Predicted milliseconds that must not be exceeded. */
  readonly ms: number;
  /** Measured output change of a plan. */
  readonly cost: (s: State) => Promise<number>;
  /** What is fixed by hand: never widened or put back beyond it. */
  readonly floor: State;
  /** Plans that may be measured. */
  readonly evaluations: number;
  /** Improvements below this share of the cost end the search; default 0.002. */
  readonly least?: number;
}

/** One group at another count, or one block dropped or put back. */
interface Change {
  readonly key: string;
  /** The group or block: two changes of the same do not go together. */
  readonly subject: string;
  apply(s: State): State;
}

/** Pairs that are measured per round. */
const TRIES = 8;

/** A state whose cost is at most that of `start`. */
export async function exchange(space: Space, start: State, o: ExchangeOptions): Promise<State> {
  let left = o.evaluations;
  const cost = (s: State): Promise<number> => {
    left--;
    return o.cost(s);
  };
  /** Cost of a single change beyond the state it was measured at; what was measured earlier still orders. */
  const known = new Map<string, number>();
  let state = start;
  let now = await cost(state);
  while (left > 0) {
    const at = predictMs(space, state);
    const measured = async (changes: readonly Change[]): Promise<{ change: Change; ms: number; cost: number }[]> => {
      const out = [];
      for (const change of changes) {
        const next = change.apply(state);
        const ms = predictMs(space, next) - at;
        if (!known.has(change.key)) {
          if (left <= 0) continue;
          known.set(change.key, (await cost(next)) - now);
        }
        out.push({ change, ms, cost: known.get(change.key)! });
      }
      return out;
    };
    const up = (await measured(widenings(space, state, o.floor))).filter((c) => c.ms > 0);
    const down = (await measured(narrowings(space, state))).filter((c) => c.ms < 0);
    const pairs = up
      .flatMap((u) => down.map((d) => ({ u, d, gain: -(u.cost + d.cost) })))
      .filter(({ u, d, gain }) => gain > 0 && u.change.subject !== d.change.subject && at + u.ms + d.ms <= o.ms)
      .sort((a, b) => b.gain - a.gain)
      .slice(0, TRIES);
    let best: { state: State; cost: number; changes: Change[] } | null = null;
    for (const { u, d } of pairs) {
      if (left <= 0) break;
      const next = d.change.apply(u.change.apply(state));
      if (predictMs(space, next) > o.ms) continue;
      const c = await cost(next);
      if (c < (best?.cost ?? now)) best = { state: next, cost: c, changes: [u.change, d.change] };
    }
    if (!best || best.cost > now * (1 - (o.least ?? 0.002))) return state;
    state = best.state;
    now = best.cost;
    // Around what has changed, old figures mean nothing.
    for (const subject of best.changes.map((c) => c.subject))
      for (const key of known.keys()) if (key.startsWith(`${subject} `)) known.delete(key);
  }
  return state;
}

const toCount = (group: string, to: number): Change => ({
  key: `${group} ${to}`,
  subject: group,
  apply: (s) => applyMove(s, { kind: 'narrow', group, to }),
});

/** Every group at its next count up, every dropped block put back. */
function widenings(space: Space, s: State, floor: State): Change[] {
  const out: Change[] = [];
  for (const [group, keep] of s.keep) {
    const next = space.counts.get(group)?.find((c) => c > keep);
    if (next !== undefined && next <= (floor.keep.get(group) ?? Infinity)) out.push(toCount(group, next));
  }
  for (const block of s.dropped)
    if (!floor.dropped.has(block))
      out.push({
        key: `${block} back`,
        subject: block,
        apply: (t) => ({ keep: t.keep, dropped: new Set([...t.dropped].filter((b) => b !== block)) }),
      });
  return out;
}

/** Every group at its next count down, every block that is still there dropped. */
function narrowings(space: Space, s: State): Change[] {
  const nearest = new Map<string, Move>();
  for (const m of movesFrom(space, s)) {
    const subject = m.kind === 'drop' ? m.block : m.group;
    const other = nearest.get(subject);
    if (!other || (m.kind === 'narrow' && other.kind === 'narrow' && m.to > other.to)) nearest.set(subject, m);
  }
  return [...nearest].map(([subject, m]) =>
    m.kind === 'narrow' ? toCount(m.group, m.to) : { key: `${subject} drop`, subject, apply: (t) => applyMove(t, m) },
  );
}
