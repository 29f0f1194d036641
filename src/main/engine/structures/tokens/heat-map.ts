/** Counts which cells of the grid keep their tokens. */
import type { HeatMap } from '../../../../shared/model/heat-map.ts';

/** Collects the tokens that stay in pictures or tiles, one after the other. */
export class KeptCells {
  readonly #grid: readonly [rows: number, columns: number];
  readonly #fixed: number;
  readonly #kept: number[];
  #pictures = 0;

  /** @param fixed leading tokens that are not of the grid, which are not counted */
  constructor(grid: readonly [rows: number, columns: number], fixed = 0) {
    this.#grid = grid;
    this.#fixed = fixed;
    this.#kept = Array.from({ length: grid[0] * grid[1] }, () => 0);
  }

  /** @param tokens numbers of the tokens of one picture that stay, fixed ones included */
  add(tokens: Iterable<number | bigint>): void {
    this.#pictures++;
    for (const token of tokens) {
      const cell = Number(token) - this.#fixed;
      if (cell >= 0) this.#kept[cell]! += 1;
    }
  }

  /** Null before the first picture. */
  map(): HeatMap | null {
    const [rows, columns] = this.#grid;
    if (this.#pictures === 0) return null;
    const all = this.#kept.reduce((a, b) => a + b, 0);
    const mean = (placeOf: (cell: number) => number): number =>
      all > 0 ? this.#kept.reduce((sum, n, cell) => sum + n * placeOf(cell), 0) / all : 0.5;
    return {
      rows,
      columns,
      shares: this.#kept.map((n) => n / this.#pictures),
      pictures: this.#pictures,
      centre: {
        down: mean((cell) => (Math.floor(cell / columns) + 0.5) / rows),
        right: mean((cell) => ((cell % columns) + 0.5) / columns),
      },
    };
  }
}
