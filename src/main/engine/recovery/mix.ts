import type { HostTensor } from '../executor.ts';

/**
 * Samples blended with others (mixup, Zhang et al. 2018): in distillation both models see the same blend, and the original's
 * answers say more there than on samples that it knows by heart (Beyer et al., "Knowledge distillation: a good teacher is
 * patient and consistent", 2022).
 * @param shares of x per sample, 0..1; the rest is y's
 */
export function mixed(x: HostTensor, y: HostTensor, shares: readonly number[]): HostTensor {
  if (!(x.data instanceof Float32Array) || !(y.data instanceof Float32Array)) return x;
  const [a, b] = [x.data, y.data];
  const data = new Float32Array(a.length);
  const each = a.length / shares.length;
  for (const [k, share] of shares.entries())
    for (let i = k * each; i < (k + 1) * each; i++) data[i] = share * a[i]! + (1 - share) * b[i]!;
  return { ...x, data };
}
