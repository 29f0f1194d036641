/** The recipe of an image processor: how a picture of any size becomes the pixels of an encoder. No pixels here. */

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Resampling filters, as PIL numbers them: nearest 0, lanczos 1, bilinear 2, bicubic 3, box 4, hamming 5. */
export type Filter = 'nearest' | 'lanczos' | 'bilinear' | 'bicubic' | 'box' | 'hamming';

/** Resizes that keep the ratio of the sides name one side, the others name both. */
export type Resize =
  | { readonly kind: 'exact'; readonly width: number; readonly height: number }
  | { readonly kind: 'shortest-edge'; readonly edge: number }
  | { readonly kind: 'longest-edge'; readonly edge: number };

export interface ImageRecipe {
  /** 3: RGB; 1: luma. */
  readonly channels: 1 | 3;
  readonly resize: Resize | null;
  readonly filter: Filter;
  /** Centre crop after the resize. A smaller picture is padded with black. */
  readonly crop: Size | null;
  /**
   * Square tiles, as SmolVLM's processor cuts them: the picture is enlarged to whole tiles, and a picture of several
   * tiles is followed by an overview of one tile. Without `split`, the picture is one tile.
   */
  readonly tiles: { readonly side: number; readonly split: boolean } | null;
  /** A value of the encoder is (pixel * rescale - mean) / std, by channel. */
  readonly rescale: number;
  readonly mean: readonly number[] | null;
  readonly std: readonly number[] | null;
}
