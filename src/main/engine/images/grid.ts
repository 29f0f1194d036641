/** The pictures that an encoder gets for one picture of the user. */
export interface ImageGrid {
  /** Rows and columns of tiles; 0 for a picture in one piece. */
  readonly rows: number;
  readonly columns: number;
  /** Tiles, and the overview behind them. */
  readonly images: number;
  /** True where the processor cuts tiles, even if this picture is a single one: the prompt then frames it. */
  readonly tiled: boolean;
}

export const ONE_PIECE: ImageGrid = { rows: 0, columns: 0, images: 1, tiled: false };
