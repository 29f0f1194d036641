import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/main/engine/random.ts';
import { knapsack, type KnapsackOption } from './knapsack.ts';

type Classes = readonly (readonly KnapsackOption[])[];

/** Least cost within the budget over every combination. */
function bruteForce(classes: Classes, budget: number): number {
  let best = Infinity;
  const walk = (c: number, cost: number, ms: number): void => {
    if (c === classes.length) {
      if (ms <= budget + 1e-9) best = Math.min(best, cost);
      return;
    }
    for (const o of classes[c]!) walk(c + 1, cost + o.cost, ms + o.ms);
  };
  walk(0, 0, 0);
  return best;
}

const draw = (seed: number, time: (r: ReturnType<typeof seededRandom>) => number): Classes => {
  const r = seededRandom(seed);
  return Array.from({ length: 2 + r.int(4) }, () =>
    Array.from({ length: 1 + r.int(5) }, () => ({ cost: r.normal(), ms: time(r) })),
  );
};

describe('knapsack', () => {
  it('is exact where the times lie on the grid', () => {
    for (let seed = 0; seed < 60; seed++) {
      const classes = draw(seed, (r) => r.int(20));
      const fastest = classes.reduce((s, c) => s + Math.min(...c.map((o) => o.ms)), 0);
      for (const slack of [0, 1, 7, 24]) {
        const got = knapsack(classes, fastest + slack, 840)!;
        expect(got.ms).toBeLessThanOrEqual(fastest + slack);
        expect(got.cost).toBeCloseTo(bruteForce(classes, fastest + slack), 9);
      }
    }
  });

  it('stays within the budget and within one cell per class of the optimum', () => {
    for (let seed = 100; seed < 160; seed++) {
      const classes = draw(seed, (r) => r.next() * 3);
      const fastest = classes.reduce((s, c) => s + Math.min(...c.map((o) => o.ms)), 0);
      const budget = fastest + 2.5;
      const got = knapsack(classes, budget, 200)!;
      expect(got.ms).toBeLessThanOrEqual(budget);
      expect(got.options).toHaveLength(classes.length);
      const chosen = got.options.map((o, c) => classes[c]![o]!);
      expect(got.cost).toBeCloseTo(chosen.reduce((s, o) => s + o.cost, 0), 9); // prettier-ignore
      expect(got.ms).toBeCloseTo(chosen.reduce((s, o) => s + o.ms, 0), 9); // prettier-ignore
      expect(got.cost).toBeLessThanOrEqual(bruteForce(classes, budget - (classes.length * 2.5) / 200) + 1e-9);
      expect(got.cost).toBeGreaterThanOrEqual(bruteForce(classes, budget) - 1e-9);
    }
  });

  it('says when the budget is out of reach, and takes the fastest at exactly its edge', () => {
    const classes = [
      [{ cost: 0, ms: 4 }, { cost: 1, ms: 2 }, { cost: 5, ms: 3 }],
      [{ cost: 0, ms: 3 }, { cost: 2, ms: 1 }],
    ]; // prettier-ignore
    expect(knapsack(classes, 2.999)).toBeNull();
    expect(knapsack(classes, 3)).toEqual({ options: [1, 1], cost: 3, ms: 3 });
    expect(knapsack(classes, 5)).toEqual({ options: [1, 0], cost: 1, ms: 5 });
    expect(knapsack(classes, 1e9)).toEqual({ options: [0, 0], cost: 0, ms: 7 });
    expect(knapsack(classes, NaN)).toBeNull();
  });

  it('handles one option, none, no class, and options without a figure', () => {
    expect(knapsack([], 1)).toEqual({ options: [], cost: 0, ms: 0 });
    expect(knapsack([[{ cost: 2, ms: 1 }]], 1)).toEqual({ options: [0], cost: 2, ms: 1 });
    expect(knapsack([[]], 1)).toBeNull();
    const failed = [{ cost: NaN, ms: 0 }, { cost: Infinity, ms: 0 }, { cost: -1, ms: NaN }, { cost: 3, ms: 1 }]; // prettier-ignore
    expect(knapsack([failed], 1)).toEqual({ options: [3], cost: 3, ms: 1 });
  });

  it('solves a large model at once', () => {
    const r = seededRandom(7);
    const classes = Array.from({ length: 200 }, () => {
      const [full, weight] = [0.5 + r.next(), r.next()];
      return Array.from({ length: 16 }, (_, i) => ({ cost: (weight * i * i) / 256, ms: full * (1 - i / 20) }));
    });
    const full = classes.reduce((s, c) => s + c[0]!.ms, 0);
    const got = knapsack(classes, full * 0.6)!;
    expect(got.ms).toBeLessThanOrEqual(full * 0.6);
    expect(got.ms).toBeGreaterThan(full * 0.58);
    // Cheaper than the same share of every class.
    expect(got.cost).toBeLessThan(classes.reduce((s, c) => s + c[8]!.cost, 0));
  });
});
