/**
 * Dense linear algebra in float64 for compensation and criteria: matrix products, Cholesky factors, solves with many
 * right-hand sides, ridge regression, symmetric eigenvectors. Matrices are row-major Float64Arrays. Everything uses one
 * kernel, C -= A B' on tiles, because dot products of contiguous rows are fastest on a scalar engine. Factorizations
 * and solves proceed by panels so that the working set stays in the cache.
 */

const PANEL = 64;
const DEPTH = 128;
/** A tile of B, copied to contiguous rows: rows of a wide matrix map to the same cache lines. */
const packed = new Float64Array(PANEL * DEPTH);

/**
 * C[m x n] += sign A[m x k] B[n x k]' on sub-matrices given by an offset and a row stride. `lowerOnly` skips entries
 * above the diagonal of C (for symmetric updates; entries just above it may be written).
 */
function gemmNT(
  c: Float64Array,
  c0: number,
  ldc: number,
  a: Float64Array,
  a0: number,
  lda: number,
  b: Float64Array,
  b0: number,
  ldb: number,
  m: number,
  n: number,
  k: number,
  sign: 1 | -1,
  lowerOnly = false,
): void {
  for (let t = 0; t < k; t += DEPTH) {
    const depth = Math.min(DEPTH, k - t);
    for (let j = 0; j < n; j += PANEL) {
      const width = Math.min(PANEL, n - j);
      for (let r = 0; r < width; r++)
        for (let q = 0, from = b0 + (j + r) * ldb + t; q < depth; q++) packed[r * depth + q] = b[from + q]!;
      const first = lowerOnly ? j : 0;
      tile(c, c0 + first * ldc + j, ldc, a, a0 + first * lda + t, lda, m - first, width, depth, sign, lowerOnly);
    }
  }
}

/** C[m x n] += sign A[m x k] packed[n x k]', four rows by two columns at a time. */
function tile(
  c: Float64Array,
  c0: number,
  ldc: number,
  a: Float64Array,
  a0: number,
  lda: number,
  m: number,
  n: number,
  k: number,
  sign: 1 | -1,
  lowerOnly: boolean,
): void {
  const b = packed;
  let i = 0;
  for (; i + 4 <= m; i += 4) {
    const p0 = a0 + i * lda,
      p1 = p0 + lda,
      p2 = p1 + lda,
      p3 = p2 + lda;
    const width = lowerOnly ? Math.min(n, i + 4) : n;
    let j = 0;
    for (; j + 2 <= width; j += 2) {
      const q0 = j * k,
        q1 = q0 + k;
      let s00 = 0,
        s01 = 0,
        s10 = 0,
        s11 = 0,
        s20 = 0,
        s21 = 0,
        s30 = 0,
        s31 = 0;
      for (let t = 0; t < k; t++) {
        const y0 = b[q0 + t]!,
          y1 = b[q1 + t]!;
        const x0 = a[p0 + t]!,
          x1 = a[p1 + t]!,
          x2 = a[p2 + t]!,
          x3 = a[p3 + t]!;
        s00 += x0 * y0;
        s01 += x0 * y1;
        s10 += x1 * y0;
        s11 += x1 * y1;
        s20 += x2 * y0;
        s21 += x2 * y1;
        s30 += x3 * y0;
        s31 += x3 * y1;
      }
      let o = c0 + i * ldc + j;
      c[o]! += sign * s00;
      c[o + 1]! += sign * s01;
      o += ldc;
      c[o]! += sign * s10;
      c[o + 1]! += sign * s11;
      o += ldc;
      c[o]! += sign * s20;
      c[o + 1]! += sign * s21;
      o += ldc;
      c[o]! += sign * s30;
      c[o + 1]! += sign * s31;
    }
    for (; j < width; j++)
      for (let r = 0; r < 4; r++) c[c0 + (i + r) * ldc + j]! += sign * dot(a, p0 + r * lda, b, j * k, k);
  }
  for (; i < m; i++) {
    const width = lowerOnly ? Math.min(n, i + 1) : n;
    for (let j = 0; j < width; j++) c[c0 + i * ldc + j]! += sign * dot(a, a0 + i * lda, b, j * k, k);
  }
}

function dot(a: Float64Array, a0: number, b: Float64Array, b0: number, k: number): number {
  let s = 0;
  for (let t = 0; t < k; t++) s += a[a0 + t]! * b[b0 + t]!;
  return s;
}

/** The transpose of A[rows x cols]. */
export function transpose(a: Float64Array, rows: number, cols: number): Float64Array {
  const out = new Float64Array(rows * cols),
    T = 32;
  for (let i0 = 0; i0 < rows; i0 += T)
    for (let j0 = 0; j0 < cols; j0 += T) {
      const iEnd = Math.min(rows, i0 + T),
        jEnd = Math.min(cols, j0 + T);
      for (let i = i0; i < iEnd; i++) for (let j = j0; j < jEnd; j++) out[j * rows + i] = a[i * cols + j]!;
    }
  return out;
}

/** A[m x k] B[n x k]'. */
export function matmulNT(a: Float64Array, b: Float64Array, m: number, n: number, k: number): Float64Array {
  const out = new Float64Array(m * n);
  gemmNT(out, 0, n, a, 0, k, b, 0, k, m, n, k, 1);
  return out;
}

/** A[n x k] B[n x k]' for a product known to be symmetric: half the work. */
export function symmetricNT(a: Float64Array, b: Float64Array, n: number, k: number): Float64Array {
  const out = new Float64Array(n * n);
  gemmNT(out, 0, n, a, 0, k, b, 0, k, n, n, k, 1, true);
  return mirrorLower(out, n);
}

function mirrorLower(a: Float64Array, n: number): Float64Array {
  const T = 32;
  for (let i0 = 0; i0 < n; i0 += T)
    for (let j0 = 0; j0 <= i0; j0 += T)
      for (let i = i0; i < Math.min(n, i0 + T); i++)
        for (let j = j0; j < Math.min(i, j0 + T); j++) a[j * n + i] = a[i * n + j]!;
  return a;
}

/** A[m x k] B[k x n]. */
export function matmul(a: Float64Array, b: Float64Array, m: number, n: number, k: number): Float64Array {
  return matmulNT(a, transpose(b, k, n), m, n, k);
}

/**
 * The lower Cholesky factor of a symmetric A[n x n] (only its lower triangle is read), zeros above the diagonal; null when
 * A is not numerically positive definite.
 */
export function cholesky(a: Float64Array, n: number): Float64Array | null {
  const l = a.slice(0, n * n);
  for (let k0 = 0; k0 < n; k0 += PANEL) {
    const kEnd = Math.min(n, k0 + PANEL);
    for (let i = k0; i < n; i++) {
      const row = i * n,
        last = Math.min(i, kEnd - 1);
      for (let j = k0; j <= last; j++) {
        const s = l[row + j]! - dot(l, row + k0, l, j * n + k0, j - k0);
        if (i === j) {
          if (!(s > 0) || s === Infinity) return null;
          l[row + j] = Math.sqrt(s);
        } else l[row + j] = s / l[j * n + j]!;
      }
    }
    const rest = n - kEnd,
      width = kEnd - k0;
    if (rest > 0) gemmNT(l, kEnd * n + kEnd, n, l, kEnd * n + k0, n, l, kEnd * n + k0, n, rest, rest, width, -1, true);
  }
  for (let i = 0; i < n; i++) l.fill(0, i * n + i + 1, (i + 1) * n);
  return l;
}

/** X = A^-1 B for A = L L' and B[n x m] (both row-major); B is not changed. */
export function choleskySolve(l: Float64Array, b: Float64Array, n: number, m: number): Float64Array {
  return transpose(choleskySolveT(l, transpose(b, n, m), n, m), m, n);
}

/** Like choleskySolve with right-hand sides in rows: solves A x = b for each of the m rows of B[m x n]; returns [m x n]. */
export function choleskySolveT(l: Float64Array, b: Float64Array, n: number, m: number): Float64Array {
  const x = b.slice(0, m * n);
  for (let k0 = 0; k0 < n; k0 += PANEL) {
    const kEnd = Math.min(n, k0 + PANEL);
    for (let r = 0; r < m; r++)
      for (let i = k0; i < kEnd; i++)
        x[r * n + i] = (x[r * n + i]! - dot(l, i * n + k0, x, r * n + k0, i - k0)) / l[i * n + i]!;
    if (kEnd < n) gemmNT(x, kEnd, n, x, k0, n, l, kEnd * n + k0, n, m, n - kEnd, kEnd - k0, -1);
  }
  const u = transpose(l, n, n);
  for (let kEnd = n; kEnd > 0;) {
    const k0 = Math.max(0, kEnd - PANEL);
    for (let r = 0; r < m; r++)
      for (let i = kEnd - 1; i >= k0; i--)
        x[r * n + i] = (x[r * n + i]! - dot(u, i * n + i + 1, x, r * n + i + 1, kEnd - i - 1)) / u[i * n + i]!;
    if (k0 > 0) gemmNT(x, 0, n, x, k0, n, u, k0, n, m, k0, kEnd - k0, -1);
    kEnd = k0;
  }
  return x;
}

/** A^-1 for A = L L', symmetric. Uses that L^-1 is triangular: a third of the work of solving for the identity. */
export function choleskyInverse(l: Float64Array, n: number): Float64Array {
  // Row r of m is column r of L^-1: zero before r.
  const m = new Float64Array(n * n);
  for (let r = 0; r < n; r++) m[r * n + r] = 1;
  for (let k0 = 0; k0 < n; k0 += PANEL) {
    const kEnd = Math.min(n, k0 + PANEL);
    for (let r = 0; r < kEnd; r++)
      for (let i = Math.max(k0, r); i < kEnd; i++)
        m[r * n + i] = (m[r * n + i]! - dot(l, i * n + k0, m, r * n + k0, i - k0)) / l[i * n + i]!;
    if (kEnd < n) gemmNT(m, kEnd, n, m, k0, n, l, kEnd * n + k0, n, kEnd, n - kEnd, kEnd - k0, -1);
  }
  // A^-1 = M' M; block row i needs the inner sum from its own first column on.
  const out = new Float64Array(n * n);
  for (let i0 = 0; i0 < n; i0 += PANEL) {
    const rows = Math.min(PANEL, n - i0);
    gemmNT(out, i0 * n, n, m, i0 * n + i0, n, m, i0, n, rows, i0 + rows, n - i0, 1);
  }
  return mirrorLower(out, n);
}

/** A + lambda I, a copy. @internal */
export function addDiagonal(a: Float64Array, n: number, lambda: number): Float64Array {
  const out = a.slice(0, n * n);
  for (let i = 0; i < n; i++) out[i * n + i]! += lambda;
  return out;
}

export function trace(a: Float64Array, n: number): number {
  let s = 0;
  for (let i = 0; i < n; i++) s += a[i * n + i]!;
  return s;
}

/** The sub-matrix A[rows, cols] of a matrix with `width` columns. */
export function submatrix(
  a: Float64Array,
  width: number,
  rows: ArrayLike<number>,
  cols: ArrayLike<number>,
): Float64Array {
  const out = new Float64Array(rows.length * cols.length);
  for (let i = 0, o = 0; i < rows.length; i++) {
    const base = rows[i]! * width;
    for (let j = 0; j < cols.length; j++) out[o++] = a[base + cols[j]!]!;
  }
  return out;
}

export interface RidgeFactor {
  /** The lower factor of G + lambda I. */
  readonly factor: Float64Array;
  /** The lambda used: the requested one, or the first of its tenfold increases for which the factor exists. */
  readonly lambda: number;
}

/**
 * Factors G + lambda I for a symmetric positive semi-definite G[n x n]. A Gram from float32 sums can be indefinite by
 * rounding: lambda then increases tenfold, starting at 1e-10 of the mean diagonal.
 */
export function ridgeFactor(g: Float64Array, n: number, lambda: number): RidgeFactor {
  const scale = trace(g, n) / n || 1;
  if (!Number.isFinite(scale)) throw new RangeError('ridge: the Gram matrix is not finite');
  for (let l = lambda; ; l = Math.max(l * 10, 1e-10 * Math.abs(scale))) {
    const factor = cholesky(addDiagonal(g, n, l), n);
    if (factor) return { factor, lambda: l };
    if (l > 1e6 * Math.abs(scale)) throw new RangeError('ridge: the Gram matrix is not finite');
  }
}

/** (G + lambda I)^-1 B for G[n x n], B[n x m], row-major. */
export function solveRidge(g: Float64Array, b: Float64Array, n: number, m: number, lambda: number): Float64Array {
  return choleskySolve(ridgeFactor(g, n, lambda).factor, b, n, m);
}
