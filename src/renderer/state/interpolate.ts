/** A value between measured points. */

interface Point {
  readonly tokens: number;
  readonly ms: number;
}

/**
 * Milliseconds on the straight line between the two neighbouring points. Null outside the points: nothing was measured
 * there.
 * @param points by tokens, ascending
 */
export function msAt(points: readonly Point[], tokens: number): number | null {
  const above = points.findIndex((p) => p.tokens >= tokens);
  if (above < 0) return null;
  const high = points[above]!;
  if (high.tokens === tokens) return high.ms;
  const low = points[above - 1];
  if (!low) return null;
  const share = (tokens - low.tokens) / (high.tokens - low.tokens);
  return low.ms + share * (high.ms - low.ms);
}
