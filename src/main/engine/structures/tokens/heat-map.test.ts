import { expect, it } from 'vitest';
import { KeptCells } from './heat-map.ts';

it('counts the cells that keep their tokens, without the fixed ones', () => {
  const cells = new KeptCells([2, 3], 1);
  expect(cells.map()).toBeNull();
  cells.add([0, 1, 4]);
  cells.add([0n, 1n, 6n]);
  // Cells 0, 3 and 0, 5: three in the left column or the right one, two of four below.
  const map = cells.map()!;
  expect(map).toMatchObject({ rows: 2, columns: 3, pictures: 2, shares: [1, 0, 0, 0.5, 0, 0.5] });
  expect(map.centre.down).toBeCloseTo(0.5, 9);
  expect(map.centre.right).toBeCloseTo((3 * (1 / 6) + 5 / 6) / 4, 9);
});
