import { expect, it } from 'vitest';
import { cellPaths } from './cell-paths.ts';

const whole = { x: 0, y: 0, width: 1, height: 1, overview: false };

it('draws each cell once, where the encoder sees it', () => {
  const { kept, dropped, count } = cellPaths({
    grid: [2, 2],
    parts: [{ ...whole, x: 0.25, width: 0.5, kept: [0, 3] }],
  });
  expect(kept).toBe('M0.25 0h0.25v0.5h-0.25zM0.5 0.5h0.25v0.5h-0.25z');
  expect(dropped.match(/M/g)).toHaveLength(2);
  expect(count).toEqual([2, 4]);
});

it('shows tiles without their overview', () => {
  const tile = { ...whole, width: 0.5, kept: [0] };
  const parts = [tile, { ...tile, x: 0.5 }, { ...whole, overview: true, kept: [1, 2] }];
  expect(cellPaths({ grid: [2, 2], parts }).count).toEqual([2, 8]);
});
