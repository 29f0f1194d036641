/**
 * Seeded random numbers: the same seed gives the same numbers on every machine. Generator: xoshiro128** 1.1 (Blackman
 * and Vigna, "Scrambled linear pseudorandom number generators", 2021), with its state filled by splitmix32 so that
 * adjacent seeds give unrelated streams. Not for cryptography.
 */

export interface Random {
  /** Uniform in [0, 1), 32 bits of resolution. */
  next(): number;
  /** Uniform integer in [0, n), unbiased; n from 1 to 2^32. */
  int(n: number): number;
  /** Standard normal (polar method). */
  normal(): number;
  /** Shuffles in place (Fisher-Yates) and returns the same array. */
  shuffle<A extends { length: number; [i: number]: unknown }>(a: A): A;
  /** An independent generator. The same label gives the same stream, whatever was drawn before. */
  fork(label: number): Random;
}

const rotl = (x: number, k: number): number => (x << k) | (x >>> (32 - k));

/** splitmix32 (a 32-bit relative of splitmix64): one step per state word. */
function* splitmix32(seed: number): Generator<number, never> {
  let s = seed | 0;
  for (;;) {
    s = (s + 0x9e3779b9) | 0;
    let z = s;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    yield z ^ (z >>> 15);
  }
}

/** Seeds are integers; those above 32 bits use their high part too. */
export function seededRandom(seed: number): Random {
  const low = seed >>> 0,
    high = Math.floor(Math.abs(seed) / 2 ** 32) >>> 0;
  const fill = splitmix32(low ^ Math.imul(high, 0x85ebca6b));
  let a = fill.next().value,
    b = fill.next().value,
    c = fill.next().value,
    d = fill.next().value;
  if ((a | b | c | d) === 0) a = 1; // zero is the only state that the generator cannot leave
  let spare: number | null = null;

  const bits = (): number => {
    const result = Math.imul(rotl(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotl(d, 11);
    return result;
  };
  const next = (): number => bits() / 2 ** 32;
  const int = (n: number): number => {
    if (!(n >= 1 && n <= 2 ** 32)) throw new RangeError(`int(${n}) is outside 1..2^32`);
    const limit = 2 ** 32 - (2 ** 32 % n); // values past the last whole multiple would favour small results
    for (;;) {
      const x = bits();
      if (x < limit) return x % n;
    }
  };
  const normal = (): number => {
    if (spare !== null) {
      const x = spare;
      spare = null;
      return x;
    }
    for (;;) {
      const u = 2 * next() - 1,
        v = 2 * next() - 1,
        s = u * u + v * v;
      if (s === 0 || s >= 1) continue;
      const m = Math.sqrt((-2 * Math.log(s)) / s);
      spare = v * m;
      return u * m;
    }
  };
  return {
    next,
    int,
    normal,
    shuffle(array) {
      for (let i = array.length - 1; i > 0; i--) {
        const j = int(i + 1),
          x = array[i];
        (array as { [i: number]: unknown })[i] = array[j];
        (array as { [i: number]: unknown })[j] = x;
      }
      return array;
    },
    fork: (label) => seededRandom((low ^ Math.imul((label + 1) | 0, 0x9e3779b1)) >>> 0),
  };
}
