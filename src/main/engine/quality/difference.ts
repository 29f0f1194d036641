/** Difference between two runs, for equality up to rounding. */
import type { HostTensor } from '../executor.ts';

/**
 * Largest difference between two sets of outputs, relative to the largest magnitude of each; Infinity for NaN and where
 * shapes differ. With `comparable`, outputs of different shapes (counts of detections) are left out instead.
 */
export function difference(
  a: Readonly<Record<string, HostTensor>>,
  b: Readonly<Record<string, HostTensor>>,
  comparable = false,
): number {
  let worst = 0;
  for (const [name, x] of Object.entries(a)) {
    const y = b[name]!;
    if (x.dims.join() !== y.dims.join()) {
      if (comparable) continue;
      return Infinity;
    }
    let [scale, gap] = [1e-30, 0];
    for (let i = 0; i < x.data.length; i++) {
      const [p, q] = [Number(x.data[i]), Number(y.data[i])];
      if (p === q) {
        if (Number.isFinite(p)) scale = Math.max(scale, Math.abs(p));
        continue;
      }
      if (!(Number.isFinite(p) && Number.isFinite(q))) return Infinity;
      scale = Math.max(scale, Math.abs(p));
      gap = Math.max(gap, Math.abs(p - q));
    }
    worst = Math.max(worst, gap / scale);
  }
  return worst;
}
