import { expect, it } from 'vitest';
import { flatNote, flatUnits } from './flat.ts';
import type { UnitTable } from './predict.ts';

const table = (name: string, groups: string[], ms: number[], counts = [1, 2]): UnitTable => ({
  unit: { name, opType: 'Conv', nodes: [], groups, profiledMs: 1 },
  grid: groups.map((group) => ({ group, counts })),
  ms,
});

it('names units that a group narrows and that have no time at some width', () => {
  const tables = [
    table('timed', ['a'], [1, 2]),
    table('never', ['a'], [NaN, NaN]),
    table('partly', ['a'], [NaN, 2]),
    table('none', ['a'], [0, 2]),
    // No group changes this unit: its cost in the whole model is constant.
    table('fixed', [], [NaN]),
    { ...table('crowded', ['a', 'b'], [3]), grid: [] },
  ];
  expect(flatUnits(tables)).toEqual(['never', 'partly', 'none', 'crowded'].map((n) => `Conv ${n}`));
  expect(flatNote(tables)[0]).toMatch(/^4 operators could not be timed over all widths.*Conv never, .*Conv crowded\.$/);
  expect(flatNote([tables[0]!])).toEqual([]);
  expect(flatNote(Array.from({ length: 11 }, (_, i) => table(`n${i}`, ['a'], [NaN])))[0]).toMatch(/n7 and 3 more\.$/);
});
