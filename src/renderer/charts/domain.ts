/** Axis ranges of charts, chosen so that all points lie within their edges. */

/**
 * Margin beside the outermost figures, as a share of their span; equal figures get a margin
 * relative to their size.
 */
const ROOM = 0.12;
const ALONE = 0.15;

/**
 * Range for figures that are shares of the original's time, which may exceed 1. Without figures,
 * the full range.
 */
export function shareDomain(figures: readonly number[]): [number, number] {
  const shares = figures.filter((x) => Number.isFinite(x) && x >= 0);
  if (shares.length === 0) return [0, 1];
  const [least, most] = [Math.min(...shares), Math.max(...shares)];
  const room = Math.max(ROOM * (most - least), ALONE * most) || 1;
  return [Math.max(0, least - room), most + room];
}

/** Pixels between a vertical line and its label. */
export const LABEL_GAP = 4;

/** Side of a vertical line that has room for its label. */
export const labelSide = (at: number, [left, right]: readonly [number, number]): 'left' | 'right' =>
  at > (left + right) / 2 ? 'left' : 'right';
