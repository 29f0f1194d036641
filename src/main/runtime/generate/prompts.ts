/** Prompts as tokens: the chat template, the places of the picture, and the tokens that begin a sequence. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { PackageShape } from '../../engine/families/contract.ts';
import { expandPlaceholders, TILE_TOKENS, tiledPlaceholder, tileToken } from '../../engine/generation/placeholders.ts';
import { imageToken, startToken } from '../../engine/generation/settings.ts';
import type { ImageGrid } from '../../engine/images/grid.ts';
import { renderChat } from './chat.ts';
import type { TextCoder } from './coder.ts';
import type { RunnerPackage } from './contract.ts';

/** The parts of a package that prompts depend on. */
type PromptPackage = Pick<RunnerPackage, 'shape' | 'coder' | 'chatTemplate'>;

/** @throws 'run-package' */
export function requireCoder(pkg: Pick<RunnerPackage, 'coder'>): TextCoder {
  if (pkg.coder) return pkg.coder;
  throw new SecateurError('run-package', { reason: 'it has no tokenizer.json and no other vocabulary' });
}

/**
 * The token that stands for one feature row, and its text.
 * @throws 'run-package'
 */
export function placeholderOf(pkg: Pick<RunnerPackage, 'shape' | 'coder'>): { id: number; text: string } {
  const coder = requireCoder(pkg);
  const id = imageToken(pkg.shape) ?? coder.idOf('<image>');
  const text = id === null ? null : coder.tokenOf(id);
  if (id === null || text === null)
    throw new SecateurError('run-package', { reason: 'nothing says which token stands for image features' });
  return { id, text };
}

/** Notes where a prompt is used as it is, because the package does not say how it was trained. */
export const NO_TEMPLATE =
  'The package has no chat template: the picture comes first, then a line break and the text of the prompt.';

/**
 * Tokens of a prompt whose picture became feature rows.
 * @param rows feature rows of the whole picture; null: there is no picture
 * @throws 'run-prompt', 'run-package'
 */
export function mergedPrompt(
  pkg: PromptPackage,
  text: string,
  picture: { readonly rows: number; readonly grid: ImageGrid } | null,
): number[] {
  const coder = requireCoder(pkg);
  const pictures = picture ? 1 : 0;
  let whole: string;
  if (picture) {
    const { text: placeholder } = placeholderOf(pkg);
    const said = text.includes(placeholder);
    whole = said
      ? text
      : pkg.chatTemplate === null
        ? `${placeholder}\n${text}`
        : renderChat(pkg.chatTemplate, text, pictures, coder.special);
    whole = expandPlaceholders(whole, placeholder, [pictureText(coder, placeholder, picture)]);
  } else whole = pkg.chatTemplate === null ? text : renderChat(pkg.chatTemplate, text, pictures, coder.special);
  const begin = coder.special['bos_token'];
  // A template that prints the first token itself gets no second one.
  return coder.encode(whole, !(begin !== undefined && whole.startsWith(begin)));
}

function pictureText(
  coder: TextCoder,
  placeholder: string,
  { rows, grid }: { readonly rows: number; readonly grid: ImageGrid },
): string {
  if (!grid.tiled) return placeholder.repeat(rows);
  const each = rows / grid.images;
  if (!Number.isInteger(each))
    throw new SecateurError('run-package', {
      reason: `the encoder returns ${rows} rows for ${grid.images} tiles, which is no whole number for each`,
    });
  const needed = [TILE_TOKENS.around, TILE_TOKENS.overview, ...(grid.rows > 0 ? lastTile(grid) : [])];
  const missing = needed.find((token) => coder.idOf(token) === null);
  if (missing !== undefined)
    throw new SecateurError('run-package', { reason: `its tokenizer has no token ${missing} for tiles of pictures` });
  return tiledPlaceholder(placeholder, grid.rows, grid.columns, each);
}

const lastTile = ({ rows, columns }: ImageGrid): string[] => [tileToken(rows - 1, columns - 1)];

/**
 * First tokens of a decoder that reads the picture beside its tokens: its start token, then the prompt.
 * @throws 'run-package' where nothing says how a sequence begins
 */
export function crossedPrompt(pkg: RunnerPackage, text: string): number[] {
  const start = startOf(pkg.shape, pkg.coder);
  if (start === null)
    throw new SecateurError('run-package', { reason: 'nothing says which token begins an answer of its decoder' });
  return text === '' ? [start] : [start, ...requireCoder(pkg).encode(text, false)];
}

const startOf = (shape: PackageShape, coder: TextCoder | null): number | null =>
  startToken(shape) ?? coder?.start ?? null;
