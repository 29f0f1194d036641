/** Which regions of pictures keep their tokens, averaged over pictures. */
export interface HeatMap {
  readonly rows: number;
  readonly columns: number;
  /** Row by row: share of the pictures in which the token of the cell stays. */
  readonly shares: readonly number[];
  /** Pictures or tiles of pictures; for cuts inside a decoder, once for each question. */
  readonly pictures: number;
  /** Mean place of the tokens that stay: 0 at the top or left, 1 at the bottom or right, 0.5 where no side is favoured. */
  readonly centre: { readonly down: number; readonly right: number };
}
