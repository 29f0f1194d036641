/** Boxes, their overlap, and matching of two lists of boxes. */

export interface Box {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
  readonly score: number;
  readonly label: number;
}

/** Minimum score of a box, as COCO tools use for display. Lower scores are treated as background. */
export const FAINT = 0.25;
/** Boxes of one class with a larger overlap are duplicates. */
const DUPLICATE = 0.45;
/** Overlap from which two boxes count as the same detection (PASCAL VOC, Everingham et al. 2010). */
const SAME = 0.5;

/** Greedy suppression per class; the box with the highest score stays. */
export function withoutDuplicates(boxes: readonly Box[]): Box[] {
  const kept: Box[] = [];
  for (const b of [...boxes].sort((p, q) => q.score - p.score))
    if (!kept.some((k) => k.label === b.label && overlap(k, b) > DUPLICATE)) kept.push(b);
  return kept;
}

/** Intersection over union. @internal */
export function overlap(a: Box, b: Box): number {
  const w = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1);
  const h = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1);
  if (!(w > 0 && h > 0)) return 0;
  const area = (p: Box): number => (p.x2 - p.x1) * (p.y2 - p.y1);
  return (w * h) / (area(a) + area(b) - w * h);
}

/**
 * Number of matched pairs: boxes of one class that overlap by at least half. Each box is used once, the candidate's
 * highest scores first.
 */
export function matchedBoxes(reference: readonly Box[], candidate: readonly Box[]): number {
  const free = new Set(reference);
  let pairs = 0;
  for (const c of [...candidate].sort((p, q) => q.score - p.score)) {
    let best: Box | null = null;
    for (const r of free)
      if (r.label === c.label && overlap(r, c) >= SAME && (!best || overlap(r, c) > overlap(best, c))) best = r;
    if (!best) continue;
    free.delete(best);
    pairs++;
  }
  return pairs;
}
