/** Outlines of the cells of a picture that stay, and of those that are left out, for an SVG of 1 x 1. */
import type { PicturePart, TokenCells } from '../../shared/model/visual-tokens.ts';

export interface CellPaths {
  readonly kept: string;
  readonly dropped: string;
  /** Numbers of cells that stay, and of all. */
  readonly count: readonly [kept: number, all: number];
}

/** Tiles stand for the picture where there are some; the overview behind them shows it once more and is left out. */
export function cellPaths({ grid, parts }: TokenCells): CellPaths {
  const tiles = parts.filter((p) => !p.overview);
  const shown = tiles.length > 0 ? tiles : parts;
  const [rows, columns] = grid;
  const all = rows * columns;
  let [kept, dropped] = ['', ''];
  for (const part of shown) {
    const stays = new Set(part.kept);
    for (let cell = 0; cell < all; cell++) {
      const box = boxOf(part, rows, columns, cell);
      if (stays.has(cell)) kept += box;
      else dropped += box;
    }
  }
  return { kept, dropped, count: [shown.reduce((n, p) => n + p.kept.length, 0), shown.length * all] };
}

function boxOf({ x, y, width, height }: PicturePart, rows: number, columns: number, cell: number): string {
  const [w, h] = [width / columns, height / rows];
  const left = x + (cell % columns) * w;
  const top = y + Math.floor(cell / columns) * h;
  return `M${short(left)} ${short(top)}h${short(w)}v${short(h)}h${short(-w)}z`;
}

const short = (x: number): string => String(Number(x.toFixed(5)));
