import { describe, expect, it } from 'vitest';
import { prepare } from '../../../../../test/support/prune.ts';
import { buildTransformer } from '../../../../../test/support/transformer.ts';
import { frontier, scheduleFor, tokenCandidates } from './candidates.ts';
import { findTokenPlaces } from './places.ts';
import { TOKEN_METHODS, tokenMethod } from './registry.ts';
import { resolveSchedule } from './schedule.ts';

const found = async () => {
  const { model, facts } = await prepare(buildTransformer({ layers: 5, side: 6 }));
  return findTokenPlaces(model, facts);
};

describe('schedules to compare', () => {
  it('fit the places, for every method', async () => {
    const { places, layers } = await found();
    for (const method of TOKEN_METHODS) {
      const list = tokenCandidates({ places, layers }, [method], 1);
      expect(list.length, method.name).toBeGreaterThan(1);
      for (const { schedule, share } of list) {
        expect(() => resolveSchedule(schedule, places)).not.toThrow();
        expect(share).toBeGreaterThan(0);
        expect(share).toBeLessThan(1);
      }
    }
  });

  it('merge behind every layer, work in stages by attention, and select once otherwise', async () => {
    const places = await found();
    const layersOf = (name: string): number[][] =>
      tokenCandidates(places, [tokenMethod(name)!], 1).map(({ schedule }) =>
        schedule.steps.map((s) => places.places.find((p) => p.name === s.place)!.layer),
      );
    expect(layersOf('tome')[0]).toEqual([1, 2, 3, 4]);
    expect(layersOf('evit')[0]).toEqual([2, 3, 4]);
    expect(layersOf('stride').every((steps) => steps.length === 1)).toBe(true);
  });
});

describe('a schedule for a number of tokens', () => {
  it('ends with it, at the depths of the method', async () => {
    const places = await found();
    const keeps = (name: string, keep: number): number[] | undefined =>
      scheduleFor(places, tokenMethod(name)!, keep)?.steps.map((s) => s.keep);
    expect(keeps('stride', 7)).toEqual([7]);
    expect(keeps('evit', 9)).toEqual([23, 14, 9]);
    // A grid of 6 x 6 cannot be divided into seven cells.
    expect(keeps('pool', 7)).toEqual([6]);
    const { steps } = scheduleFor(places, tokenMethod('stride')!, 7)!;
    expect(places.places.find((p) => p.name === steps[0]!.place)!.layer).toBe(2);
  });
  it('does not exist where the places lack something', async () => {
    const { places, layers } = await found();
    const bare = places.map(({ attention: _, ...rest }) => rest);
    expect(scheduleFor({ places: bare, layers }, tokenMethod('evit')!, 9)).toBeNull();
  });
});

it('the frontier leaves out what another one beats in both figures', () => {
  const c = (cost: number, share: number) => ({ cost, share });
  expect(frontier([c(1, 0.9), c(2, 0.95), c(3, 0.5), c(4, 0.5), c(9, 0.2)])).toEqual([c(1, 0.9), c(3, 0.5), c(9, 0.2)]);
});
