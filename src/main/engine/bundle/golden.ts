/** Golden inputs and outputs: what a bundle's model must reproduce on another machine, and within which tolerance. */

export interface GoldenTensor {
  readonly name: string;
  /** Path of a .npy file inside the bundle. */
  readonly file: string;
}

export interface GoldenFile {
  /** |got - want| <= atol + rtol * |want| for every element; atol is per output. */
  readonly rtol: number;
  readonly atol: Readonly<Record<string, number>>;
  /** 'data': samples of the given data; 'seeded': random numbers. */
  readonly origin: 'data' | 'seeded';
  readonly seed: number;
  /** Other sizes of dynamic axes, by axis name, at which the original and this model ran; absent in old bundles. */
  readonly sizes?: readonly Readonly<Record<string, number>>[];
  /**
   * True where the model draws random numbers. The values of `randomOutputs` are then one draw, of which only names,
   * types, shapes and finiteness can be checked. Absent otherwise.
   */
  readonly random?: true;
  readonly randomOutputs?: readonly string[];
  readonly cases: readonly { readonly inputs: readonly GoldenTensor[]; readonly outputs: readonly GoldenTensor[] }[];
}

/** Kernels on other processors sum in another order, so float32 results differ by about 1e-5 of the largest element. */
export const RTOL = 1e-3;
const ATOL_OF_MAX = 1e-3;

/** The absolute tolerance of an output: a share of its largest element. */
export function absoluteTolerance(data: ArrayLike<number | bigint>): number {
  let max = 0;
  for (let i = 0; i < data.length; i++) max = Math.max(max, Math.abs(Number(data[i])));
  return Number((max * ATOL_OF_MAX).toPrecision(3));
}

export interface Mismatch {
  readonly index: number;
  readonly want: number;
  readonly got: number;
  /** |got - want| divided by the tolerance; above 1 fails. */
  readonly excess: number;
}

/** The worst element; excess <= 1 passes. NaN fails where a number is expected and passes where NaN is expected. */
export function worstMismatch(
  want: ArrayLike<number | bigint>,
  got: ArrayLike<number | bigint>,
  rtol: number,
  atol: number,
): Mismatch {
  let worst: Mismatch = { index: 0, want: Number(want[0] ?? 0), got: Number(got[0] ?? 0), excess: 0 };
  for (let i = 0; i < want.length; i++) {
    const w = Number(want[i]),
      g = Number(got[i]);
    if (Object.is(w, g) || w === g) continue;
    const allowed = atol + rtol * Math.abs(w),
      off = Math.abs(g - w);
    const excess = Number.isFinite(off) ? off / Math.max(allowed, Number.MIN_VALUE) : Infinity;
    if (excess > worst.excess) worst = { index: i, want: w, got: g, excess };
  }
  return worst;
}
