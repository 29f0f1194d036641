/**
 * The readings of an output, with the names of the readings and their figures. Each reading has a
 * file in src/main/engine/heads.
 */

interface ReadingText {
  /** Label in lists of choices. */
  readonly label: string;
  /** Name of the figure that the quality floor limits. */
  readonly figure: string;
  /** Short name of the figure, for narrow tables. */
  readonly short: string;
}

export const READING_TEXT = {
  classes: { label: 'Classes', figure: 'agreement with the original', short: 'agreement' },
  boxes: { label: 'Boxes', figure: 'matched boxes (F1)', short: 'agreement (matched boxes)' },
  map: { label: 'Map of classes', figure: 'F1 of the pixels of each class', short: 'agreement (F1 of pixels)' },
  image: { label: 'Image', figure: 'PSNR against the original', short: 'agreement' },
  embedding: { label: 'Embedding', figure: 'mean cosine with the original', short: 'agreement (cosine)' },
  tokens: { label: 'Tokens', figure: 'share of positions with the original’s token', short: 'agreement (tokens)' },
  latent: {
    label: 'Latent',
    figure: 'explained variance of the original’s latent',
    short: 'agreement (explained variance)',
  },
  numbers: {
    label: 'Numbers',
    figure: 'explained variance of the original’s numbers',
    short: 'agreement (explained variance)',
  },
} as const satisfies Readonly<Record<string, ReadingText>>;

/**
 * How an output is read. 'classes': one score per class; 'boxes': detections; 'map': a class per
 * pixel; 'image': pixels; 'embedding': a direction; 'tokens': scores at every position of a
 * sequence; 'latent': a state that another network reads, only ever set by the user; 'numbers':
 * values without a further meaning (regressions, masks, states).
 */
export type OutputReading = keyof typeof READING_TEXT;

export const READINGS = Object.keys(READING_TEXT) as readonly OutputReading[];

/**
 * Text of the agreement figure. A report without a reading is read as 'boxes' when it counts boxes,
 * else as 'classes'.
 */
export const figureText = (q: { readonly reading?: OutputReading; readonly boxes?: number }): ReadingText =>
  READING_TEXT[q.reading ?? (q.boxes === undefined ? 'classes' : 'boxes')];
