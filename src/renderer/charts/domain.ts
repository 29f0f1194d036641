/** Which part of an axis a chart shows, so that nothing is drawn beyond its edges. */

/** Room beside the outermost figures, as a share of what they span; figures that are all alike get some of their own size. */
const ROOM = 0.12;
const ALONE = 0.15;

/** Of figures that are shares of the original's time, which may be more than 1. Everything when there are none. */
export function shareDomain(figures: readonly number[]): [number, number] {
  const shares = figures.filter((x) => Number.isFinite(x) && x >= 0);
  if (shares.length === 0) return [0, 1];
  const [least, most] = [Math.min(...shares), Math.max(...shares)];
  const room = Math.max(ROOM * (most - least), ALONE * most) || 1;
  return [Math.max(0, least - room), most + room];
}

/** On which side of an upright line its label has the room. */
export const labelSide = (at: number, [left, right]: readonly [number, number]): 'left' | 'right' =>
  at > (left + right) / 2 ? 'left' : 'right';
