/** Heat maps as text: a digit per cell, in tenths of the pictures. */
import type { FewerTokensReport } from '../../shared/model/fewer-tokens.ts';
import type { HeatMap } from '../../shared/model/heat-map.ts';
import type { Panel } from './heat-map-svg.ts';

/** Larger grids are averaged to at most so many cells per side. */
const MOST = 12;
const WIDTH = 100;

/** The report's heat maps with their titles. */
export const panelsOf = (r: FewerTokensReport): Panel[] =>
  r.results.flatMap(({ method, tokens, heatMap }) =>
    heatMap ? [{ title: `${method}, ${tokens} of ${r.tokens}`, map: heatMap }] : [],
  );

/** Grids side by side; empty without any. */
export function renderHeatMaps(panels: readonly Panel[]): string {
  if (panels.length === 0) return '';
  const blocks = panels.map(({ title, map }) => [title, centreOf(map), ...gridOf(map)]);
  const wide = Math.max(...blocks.flat().map((line) => line.length)) + 3;
  const perRow = Math.max(1, Math.floor((WIDTH + 3) / wide));
  let text = 'Regions that keep their tokens, in tenths of the pictures: . below 5 %, # above 95 %.\n';
  for (let first = 0; first < blocks.length; first += perRow) {
    const beside = blocks.slice(first, first + perRow);
    const lines = Math.max(...beside.map((b) => b.length));
    text += '\n';
    for (let i = 0; i < lines; i++) text += `${beside.map((b) => (b[i] ?? '').padEnd(wide)).join('').trimEnd()}\n`; // prettier-ignore
  }
  return text;
}

const centreOf = ({ centre: { down, right } }: HeatMap): string =>
  `centre ${(100 * down).toFixed(0)}% down, ${(100 * right).toFixed(0)}% right`;

function gridOf({ rows, columns, shares }: HeatMap): string[] {
  const per = Math.ceil(Math.max(rows, columns) / MOST);
  const lines: string[] = [];
  for (let top = 0; top < rows; top += per) {
    let line = '';
    for (let left = 0; left < columns; left += per) {
      let sum = 0;
      let cells = 0;
      for (let y = top; y < Math.min(rows, top + per); y++)
        for (let x = left; x < Math.min(columns, left + per); x++, cells++) sum += shares[y * columns + x]!;
      line += `${digit(sum / cells)} `;
    }
    lines.push(line.trimEnd());
  }
  return lines;
}

function digit(share: number): string {
  if (share < 0.05) return '.';
  return share > 0.95 ? '#' : String(Math.min(9, Math.max(1, Math.round(10 * share))));
}
