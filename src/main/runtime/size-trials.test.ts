import { expect, it } from 'vitest';
import { trySizes } from './size-trials.ts';

/** Runs only where the mask is as long as the cache plus the new tokens. */
const decoder = (sizes: Readonly<Record<string, number>>) => (changed: Readonly<Record<string, number>>) => {
  const at = { ...sizes, ...changed };
  return Promise.resolve(at['past']! + at['seq']! === at['total'] ? Object.keys(changed).join() : null);
};

it('moves an axis together with the one that is its sum with another', async () => {
  const sizes = { batch: 1, seq: 3, past: 8, total: 11 };
  const { trials, stuck } = await trySizes(new Map(Object.entries(sizes)), decoder(sizes));
  expect(stuck).toEqual([]);
  expect(trials.map((t) => t.changed)).toEqual([{ batch: 2 }, { seq: 6, total: 14 }, { past: 16, total: 19 }]);
});

it('also where the two addends are of one size', async () => {
  const sizes = { seq: 8, past: 8, total: 16 };
  const { trials, stuck } = await trySizes(new Map(Object.entries(sizes)), decoder(sizes));
  expect(stuck).toEqual([]);
  expect(trials.map((t) => t.changed)).toEqual([
    { seq: 16, total: 24 },
    { past: 16, total: 24 },
  ]);
});

it('names what runs at one size only', async () => {
  const { stuck } = await trySizes(new Map([['a', 3]]), () => Promise.resolve(null));
  expect(stuck).toEqual(['a']);
});
