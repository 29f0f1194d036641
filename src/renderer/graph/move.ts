/**
 * Arrow-key navigation in a graph: along the edges to the right and left, to the nearest box above
 * and below.
 */
import type { LayoutAnswer, LayoutQuestion } from './rows.ts';

export type Arrow = 'ArrowRight' | 'ArrowLeft' | 'ArrowUp' | 'ArrowDown';

export const isArrow = (key: string): key is Arrow => /^Arrow(Right|Left|Up|Down)$/.test(key);

/**
 * Returns the next box, or null when there is none in that direction. Ids without a position are
 * ignored.
 */
export function step(at: LayoutAnswer['at'], edges: LayoutQuestion['edges'], from: string, key: Arrow): string | null {
  const here = at[from];
  if (!here) return null;
  const distance = (id: string): number => Math.hypot(at[id]!.x - here.x, at[id]!.y - here.y);
  const nearest = (ids: readonly string[]): string | null =>
    ids.filter((id) => at[id] && id !== from).sort((a, b) => distance(a) - distance(b))[0] ?? null;
  if (key === 'ArrowRight') return nearest(edges.filter((e) => e.from === from).map((e) => e.to));
  if (key === 'ArrowLeft') return nearest(edges.filter((e) => e.to === from).map((e) => e.from));
  const way = key === 'ArrowDown' ? 1 : -1;
  return nearest(Object.keys(at).filter((id) => way * (at[id]!.y - here.y) > 0));
}
