import sharp from 'sharp';
import { expect, it } from 'vitest';
import type { HeatMap } from '../../shared/model/heat-map.ts';
import { heatMapSvg } from './heat-map-svg.ts';
import { renderHeatMaps } from './render-heat-map.ts';

const map = (rows: number, columns: number, shares: number[]): HeatMap =>
  ({ rows, columns, shares, pictures: 4, centre: { down: 0.25, right: 0.5 } }); // prettier-ignore

it('shows grids side by side, in tenths', () => {
  const panels = [
    { title: 'a', map: map(2, 3, [0, 0.04, 0.05, 0.5, 0.94, 1]) },
    { title: 'b', map: map(1, 2, [0.25, 0.96]) },
  ];
  const lines = renderHeatMaps(panels).split('\n');
  const wide = 'centre 25% down, 50% right'.length + 3;
  expect(lines.slice(2)).toEqual([
    `${'a'.padEnd(wide)}b`,
    `${'centre 25% down, 50% right'.padEnd(wide)}centre 25% down, 50% right`,
    `${'. . 1'.padEnd(wide)}3 #`,
    '5 9 #',
    '',
  ]);
  expect(renderHeatMaps([])).toBe('');
});

it('averages large grids', () => {
  const shares = Array.from({ length: 24 * 24 }, (_, i) => Number(i % 2 === 0));
  const lines = renderHeatMaps([{ title: 'a', map: map(24, 24, shares) }]).split('\n');
  expect(lines.slice(4, 16)).toEqual(Array.from({ length: 12 }, () => Array.from({ length: 12 }, () => '5').join(' ')));
});

it('draws one panel per method, with the share of every cell and names that are escaped', async () => {
  const svg = heatMapSvg([{ title: 'a<b', map: map(2, 2, [0, 0.5, 0.25, 1]) }]);
  expect(svg).toContain('a&lt;b');
  expect(svg.match(/<title>row/g)).toHaveLength(4);
  expect(svg).toContain('row 2, column 1: 25%');
  expect(svg).toContain('prefers-color-scheme: dark');
  expect(svg).toContain('share of 4 pictures in which');
  const more = { title: 'b', map: { ...map(1, 1, [1]), pictures: 9 } };
  expect(heatMapSvg([{ title: 'a', map: map(1, 1, [1]) }, more])).toContain('share of pictures or questions in which');
  expect(await sharp(Buffer.from(svg)).metadata()).toMatchObject({ format: 'svg' });
});
