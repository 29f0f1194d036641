/** Places of a picture in a prompt: text placeholders become as many tokens as there are feature rows. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { HostTensor } from '../executor.ts';
import type { NumericArray } from '../ir/tensor.ts';

/** Tokens that frame the tiles of a picture, as in prompts of SmolVLM and Idefics3. */
export const TILE_TOKENS = { around: '<fake_token_around_image>', overview: '<global-img>' } as const;

/** The token before the tile of a row and column, counted from 0. */
export const tileToken = (row: number, column: number): string => `<row_${row + 1}_col_${column + 1}>`;

/**
 * The text that stands for a picture cut into tiles: its tiles row by row, then the overview.
 * @param rows 0 for a picture in one piece
 * @param each tokens per tile
 */
export function tiledPlaceholder(placeholder: string, rows: number, columns: number, each: number): string {
  const { around, overview } = TILE_TOKENS;
  const features = placeholder.repeat(each);
  const last = `${around}${overview}${features}${around}`;
  if (rows === 0) return last;
  const row = (y: number): string =>
    Array.from({ length: columns }, (_, x) => `${around}${tileToken(y, x)}${features}`).join('');
  return `${Array.from({ length: rows }, (_, y) => `${row(y)}\n`).join('')}\n${last}`;
}

/**
 * The text with its placeholders replaced, one for each picture.
 * @throws 'run-prompt' where the prompt has another number of placeholders than there are pictures
 */
export function expandPlaceholders(text: string, placeholder: string, pictures: readonly string[]): string {
  const parts = text.split(placeholder);
  if (parts.length - 1 !== pictures.length)
    throw new SecateurError('run-prompt', {
      reason: `it holds ${parts.length - 1} times ${placeholder}, and there ${pictures.length === 1 ? 'is 1 picture' : `are ${pictures.length} pictures`}`,
    });
  return parts.map((part, i) => (i === 0 ? part : pictures[i - 1]! + part)).join('');
}

/**
 * Embeddings with feature rows written over the rows of placeholder tokens, in order.
 * @param embeds [1, tokens, width]
 * @param features [..., width]; all axes but the last count rows
 * @throws 'run-package' where the numbers of rows, the widths or the element types differ
 */
export function mergeFeatures(
  embeds: HostTensor,
  ids: readonly number[],
  imageToken: number,
  features: HostTensor,
): HostTensor {
  const width = embeds.dims.at(-1)!;
  const [given, found] = [rowsOf(features), ids.filter((id) => id === imageToken).length];
  const refuse = (reason: string): never => {
    throw new SecateurError('run-package', { reason });
  };
  if (features.dims.at(-1) !== width)
    refuse(`image features are ${features.dims.at(-1)} wide, and embeddings of tokens ${width}`);
  if (given !== found) refuse(`the prompt holds ${found} places for image features, and the encoder returns ${given}`);
  if (features.dtype !== embeds.dtype) refuse('image features and embeddings of tokens differ in their element type');
  const data = embeds.data.slice() as NumericArray;
  let row = 0;
  for (const [at, id] of ids.entries()) {
    if (id !== imageToken) continue;
    data.set(features.data.subarray(row * width, (row + 1) * width) as never, at * width);
    row++;
  }
  return { ...embeds, data };
}

/** Number of rows of features [..., width]. */
export const rowsOf = ({ dims }: HostTensor): number => dims.slice(0, -1).reduce((n, d) => n * d, 1);
