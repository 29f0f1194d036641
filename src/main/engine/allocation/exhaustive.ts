/** All plans of a small space: where a few coarse groups are all there is, a path through them leaves gaps. */
import { predictMs, type Space, type State } from './state.ts';

/** Spaces with more plans are not listed. */
const MOST = 4096;

/** Plans whose prediction lies above `from` and not above `to`, the slowest first; none where there are too many. */
export function plansBetween(space: Space, start: State, from: number, to: number): State[] {
  const free = [...space.counts].filter(([group]) => !start.keep.has(group));
  const blocks = [...space.droppable].filter((b) => !start.dropped.has(b));
  const size = free.reduce((n, [, counts]) => n * counts.length, 2 ** blocks.length);
  if (size > MOST) return [];
  let states: State[] = [start];
  for (const [group, counts] of free)
    states = states.flatMap((s) => counts.map((c) => ({ keep: new Map([...s.keep, [group, c]]), dropped: s.dropped })));
  for (const b of blocks) states = states.flatMap((s) => [s, { keep: s.keep, dropped: new Set([...s.dropped, b]) }]);
  return states
    .map((state) => ({ state, ms: predictMs(space, state) }))
    .filter(({ ms }) => ms > from && ms <= to)
    .sort((a, b) => b.ms - a.ms)
    .map(({ state }) => state);
}
