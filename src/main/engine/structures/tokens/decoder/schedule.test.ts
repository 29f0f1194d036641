import { expect, it } from 'vitest';
import { plainDecoder } from '../../../../../../test/support/small-decoder.ts';
import { findDecoder } from './find.ts';
import { isSkipped } from './ports.ts';
import { cutsFor, type CutRequest } from './schedule.ts';

const found = findDecoder(plainDecoder({ layers: 8 }));
if (isSkipped(found)) throw new Error(found.reason);
const decoder = found;

const plan = (criterion: string, o: Partial<CutRequest> = {}) => {
  const made = cutsFor(decoder, criterion, { count: 144, keep: 36, layers: null, columns: 12, ...o });
  if ('refused' in made) throw new Error(made.refused);
  return { ...made, at: made.cuts.map((c) => c.layer) };
};

it('lies at the recommended depths, and keeps equal ratios from cut to cut', () => {
  expect(plan('pyramiddrop', { keep: 18 })).toMatchObject({ at: [2, 4, 6], left: [72, 36, 18] });
  // The first cut of FEATHER keeps four rows and four columns beside the number.
  expect(plan('feather')).toMatchObject({ at: [2, 4], left: [72 + 16, 36] });
  expect(plan('feather', { columns: null }).left).toEqual([72 + 16, 36]);
  expect(plan('uniform', { layers: [1, 3, 7], keep: 18 })).toMatchObject({ at: [1, 3, 7], left: [72, 36, 18] });
});

it('keeps shares whose products with any number of tiles are exact', () => {
  for (let count = 1; count <= 200; count++)
    for (const keep of [1, Math.ceil(count / 3), count]) {
      const [cut] = plan('random', { count, keep }).cuts;
      const { ratio } = cut!.keep as { ratio: number };
      for (const tiles of [1, 2, 5, 17]) expect(Math.floor(tiles * count * ratio)).toBe(tiles * keep);
    }
});
