/** Heat maps as one SVG: a panel per method, readable on light and dark pages. */
import type { HeatMap } from '../../shared/model/heat-map.ts';

export interface Panel {
  readonly title: string;
  readonly map: HeatMap;
}

const SIDE = 220;
const GAP = 24;
const HEAD = 38;
const PER_ROW = 4;
const LEGEND = 46;

/** Shares below a tenth are common and have to be told from 0, so opacity grows with the square root. */
const opacity = (share: number): string => Math.sqrt(share).toFixed(3);

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;

/** @param panels at least one */
export function heatMapSvg(panels: readonly Panel[]): string {
  const perRow = Math.min(PER_ROW, panels.length);
  const heights = panels.map(({ map }) => SIDE * (map.rows / map.columns));
  const tall = HEAD + Math.max(...heights) + GAP;
  const width = Math.max(GAP + perRow * (SIDE + GAP), 420);
  const height = GAP + Math.ceil(panels.length / perRow) * tall + LEGEND;
  const drawn = panels.map((panel, i) =>
    drawPanel(panel, GAP + (i % perRow) * (SIDE + GAP), GAP + Math.floor(i / perRow) * tall),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12">
<title>Regions of pictures that keep their tokens</title>
<style>
.page { fill: #ffffff } .cell { fill: #eceef1 } .kept { fill: #b3261e } text { fill: #1b1d21 } .small { fill: #565b66 }
.cross { stroke: #1b1d21; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
.page { fill: #16181c } .cell { fill: #2a2e35 } .kept { fill: #ff8a75 } text { fill: #eceef1 } .small { fill: #a6adb8 }
.cross { stroke: #eceef1 }
}
</style>
<rect class="page" width="${width}" height="${height}"/>
${drawn.join('\n')}
${legend(GAP, height - LEGEND, countOf(panels))}
</svg>
`;
}

function drawPanel({ title, map }: Panel, x: number, y: number): string {
  const { rows, columns, shares, centre } = map;
  const side = SIDE / columns;
  const cells = shares.map((share, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const at = `x="${(x + column * side).toFixed(2)}" y="${(y + HEAD + row * side).toFixed(2)}" width="${(side - 0.5).toFixed(2)}" height="${(side - 0.5).toFixed(2)}"`;
    return `<g><title>row ${row + 1}, column ${column + 1}: ${percent(share)}</title><rect class="cell" ${at}/>${share > 0 ? `<rect class="kept" fill-opacity="${opacity(share)}" ${at}/>` : ''}</g>`;
  });
  const [cx, cy] = [x + centre.right * SIDE, y + HEAD + centre.down * rows * side];
  const cross = `<path class="cross" d="M${(cx - 5).toFixed(1)} ${cy.toFixed(1)}h10M${cx.toFixed(1)} ${(cy - 5).toFixed(1)}v10"/>`;
  const words = `centre ${percent(centre.down)} down, ${percent(centre.right)} right`;
  return `<g><text x="${x}" y="${y + 12}" font-weight="600">${escaped(title)}</text><text class="small" x="${x}" y="${y + 28}" font-size="10">${words}</text>
${cells.join('\n')}
${cross}</g>`;
}

/** A selection behind the encoder is counted once per picture, a cut inside the decoder once per question. */
function countOf(panels: readonly Panel[]): string {
  const counts = new Set(panels.map(({ map }) => map.pictures));
  return counts.size === 1 ? `${[...counts][0]} pictures` : 'pictures or questions';
}

function legend(x: number, y: number, counted: string): string {
  const steps = [0, 0.05, 0.1, 0.25, 0.5, 1];
  const boxes = steps.map((share, i) => {
    const at = `x="${x + i * 42}" y="${y}" width="40" height="10"`;
    return `<rect class="cell" ${at}/>${share > 0 ? `<rect class="kept" fill-opacity="${opacity(share)}" ${at}/>` : ''}<text class="small" x="${x + i * 42}" y="${y + 23}" font-size="10">${100 * share}%</text>`;
  });
  return `${boxes.join('\n')}
<text class="small" x="${x + steps.length * 42 + 8}" y="${y + 9}" font-size="10">share of ${counted} in which</text><text class="small" x="${x + steps.length * 42 + 8}" y="${y + 22}" font-size="10">the token stays; + centre</text>`;
}
