import { describe, expect, it } from 'vitest';
import {
  addDiagonal,
  cholesky,
  choleskyInverse,
  choleskySolve,
  matmul,
  matmulNT,
  ridgeFactor,
  solveRidge,
  symmetricNT,
  transpose,
} from './linalg.ts';

function random(count: number, seed = 1): Float64Array {
  let s = seed;
  return Float64Array.from({ length: count }, () => ((s = (s * 1103515245 + 12345) % 2147483648) / 2147483648) * 2 - 1);
}
function naive(a: Float64Array, b: Float64Array, m: number, n: number, k: number): Float64Array {
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) for (let t = 0; t < k; t++) out[i * n + j]! += a[i * k + t]! * b[t * n + j]!;
  return out;
}
const gap = (a: Float64Array, b: Float64Array): number => a.reduce((m, x, i) => Math.max(m, Math.abs(x - b[i]!)), 0);
function definite(n: number): Float64Array {
  const x = random(n * n, n);
  return addDiagonal(matmulNT(x, x, n, n, n), n, 0.1);
}

describe('linear algebra', () => {
  it.each([
    [3, 5, 7],
    [65, 67, 300],
    [4, 2, 1],
    [131, 3, 140],
  ])('multiplies %i x %i x %i', (m, n, k) => {
    const a = random(m * k),
      b = random(k * n, 2);
    expect(gap(matmul(a, b, m, n, k), naive(a, b, m, n, k))).toBeLessThan(1e-12 * k);
    expect(gap(symmetricNT(a, a, m, k), matmulNT(a, a, m, m, k))).toBeLessThan(1e-12 * k);
  });

  it.each([1, 2, 63, 64, 65, 130, 201])('factors and solves size %i', (n) => {
    const a = definite(n),
      l = cholesky(a, n)!;
    expect(gap(naive(l, transpose(l, n, n), n, n, n), a)).toBeLessThan(1e-10 * n);
    const x = random(n * 3, 9);
    expect(gap(choleskySolve(l, matmul(a, x, n, 3, n), n, 3), x)).toBeLessThan(1e-7);
    const eye = matmul(a, choleskyInverse(l, n), n, n, n);
    for (let i = 0; i < n; i++) eye[i * n + i]! -= 1;
    expect(Math.max(...eye.map(Math.abs))).toBeLessThan(1e-7);
  });

  it('says no to an indefinite matrix and to NaN', () => {
    expect(cholesky(Float64Array.of(1, 2, 2, 1), 2)).toBeNull();
    expect(cholesky(Float64Array.of(NaN), 1)).toBeNull();
  });

  it('solves a ridge, and raises lambda where rounding made the Gram indefinite', () => {
    // (2 + 0.5) x = 5 on the diagonal.
    const x = solveRidge(Float64Array.of(2, 0, 0, 2), Float64Array.of(5, 10), 2, 1, 0.5);
    expect(gap(x, Float64Array.of(2, 4))).toBeLessThan(1e-12);
    const singular = Float64Array.of(1, 1, 1, 1 - 1e-12);
    const { lambda } = ridgeFactor(singular, 2, 0);
    expect(lambda).toBeGreaterThan(0);
    expect(lambda).toBeLessThan(1e-6);
    expect(() => ridgeFactor(Float64Array.of(NaN, 0, 0, 1), 2, 1)).toThrow(RangeError);
  });
});
