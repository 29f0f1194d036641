import { describe, expect, it } from 'vitest';
import { prepare } from '../../../../../test/support/prune.ts';
import { buildTransformer } from '../../../../../test/support/transformer.ts';
import { aimAt, type KnownSchedule } from './aim.ts';
import { shareOf } from './candidates.ts';
import { findTokenPlaces } from './places.ts';

const model = await prepare(buildTransformer({ layers: 5, side: 6 }));
const found = findTokenPlaces(model.model, model.facts);
const place = found.places[0]!.name;

const at = (method: string, keep: number, cost: number, ratio?: number): KnownSchedule => ({
  schedule: { method, seed: 1, steps: [{ place, keep }] },
  cost,
  ...(ratio !== undefined && { ratio }),
});

describe('the next schedule for a time', () => {
  it('lies on the line between what was measured and all tokens', () => {
    // 18 of 36 tokens take half of the time, so 0.75 of it is 27 tokens.
    const next = aimAt(0.75, [at('stride', 18, 1, 0.5), at('stride', 9, 4)], found)!;
    expect(next.steps[0]!.keep).toBe(27);
  });

  it('is of the kind that costs least at that time', () => {
    const known = [at('stride', 18, 1, 0.5), at('dpp', 18, 0.2, 0.8), at('stride', 9, 4), at('dpp', 9, 3, 0.5)];
    // dpp has a cost of its own: at 0.6 it keeps far fewer tokens than stride.
    expect(aimAt(0.6, known, found)!.method).toBe('stride');
    expect(aimAt(0.8, known, found)!.method).toBe('stride');
    expect(aimAt(0.85, [at('stride', 18, 9, 0.5), ...known.slice(1)], found)!.method).toBe('dpp');
  });

  it('guesses the time of kinds that were not measured from the others', () => {
    const next = aimAt(0.75, [at('stride', 18, 9, 0.5), at('dpp', 18, 1), at('dpp', 9, 2)], found)!;
    expect(next.method).toBe('dpp');
    expect(shareOf(next, found.places, found.layers)).toBeCloseTo(0.75, 1);
  });

  it('keeps to the numbers of a method that has certain ones, and ends when all are measured', () => {
    const pools = [at('pool', 18, 1, 0.5), at('pool', 9, 4)];
    expect(aimAt(0.7, pools, found)).toBeNull();
    expect(aimAt(0.4, pools, found)!.steps[0]!.keep).toBe(9);
    expect(aimAt(0.01, pools, found)).toBeNull();
  });
});
