/**
 * Cosine decay with a linear warm-up (Loshchilov and Hutter 2017, arXiv:1608.03983) over a share of the planned time or
 * steps.
 * @param done 0..1
 */
export function cosine(done: number, peak: number, options: { warmup?: number; floor?: number } = {}): number {
  const { warmup = 0.05, floor = 0.01 } = options;
  if (done < warmup) return peak * Math.max(0.02, done / warmup);
  const at = Math.min(1, (done - warmup) / (1 - warmup));
  return peak * (floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * at)));
}
