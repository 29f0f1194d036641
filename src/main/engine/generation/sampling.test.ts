import { describe, expect, it } from 'vitest';
import { seededRandom } from '../random.ts';
import { candidates, greedy, sample } from './sampling.ts';

const logits = Float32Array.from([0.1, 0.5, 0.2, 0.15, 0.05], Math.log);
const all = { temperature: 1, topK: 0, topP: 1 };

describe('greedy', () => {
  it('takes the first of the largest', () => expect(greedy([1, 3, 3, 2])).toBe(1));
});

describe('candidates', () => {
  it('are the softmax of the logits, most probable first', () => {
    const { ids, probabilities } = candidates(logits, all);
    expect(ids).toEqual([1, 2, 3, 0, 4]);
    expect(probabilities.map((p) => +p.toFixed(6))).toEqual([0.5, 0.2, 0.15, 0.1, 0.05]);
  });
  it('are sharper at a lower temperature', () => {
    const { probabilities } = candidates(logits, { ...all, temperature: 0.5 });
    // Squares, normalized: 0.25 / (0.25 + 0.04 + 0.0225 + 0.01 + 0.0025).
    expect(probabilities[0]).toBeCloseTo(0.25 / 0.325, 5);
  });
  it('keep the k largest, then the fewest that reach p', () => {
    expect(candidates(logits, { ...all, topK: 2 })).toMatchObject({ ids: [1, 2] });
    expect(candidates(logits, { ...all, topP: 0.6 }).ids).toEqual([1, 2]);
    expect(candidates(logits, { ...all, topP: 0.01 }).ids).toEqual([1]);
    // Among the two largest, the first has 5/7 of the probability.
    expect(candidates(logits, { ...all, topK: 2, topP: 0.7 }).ids).toEqual([1]);
  });
});

describe('sample', () => {
  it('draws as often as the probabilities say, and the same for the same seed', () => {
    const draws = (seed: number): number[] => {
      const random = seededRandom(seed);
      return Array.from({ length: 4000 }, () => sample(logits, all, random));
    };
    const counts = draws(1).reduce<number[]>((n, id) => ((n[id] = (n[id] ?? 0) + 1), n), []);
    for (const [id, p] of [0.1, 0.5, 0.2, 0.15, 0.05].entries()) expect(counts[id]! / 4000).toBeCloseTo(p, 1);
    expect(draws(7).slice(0, 50)).toEqual(draws(7).slice(0, 50));
    expect(draws(7).slice(0, 50)).not.toEqual(draws(8).slice(0, 50));
  });
});
