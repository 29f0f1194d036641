/** Sizes of dynamic axes as the Model step shows and reads them. */
import type { AxisSize } from '../../shared/model/tasks.ts';

export interface SizeRow extends AxisSize {
  /** True when the size cannot be changed. */
  readonly fixed: boolean;
}

type Sizes = Readonly<Record<string, number>>;

/**
 * Rows for all axes. Sizes from the data override sizes that were given or guessed without them.
 */
export const sizeRows = (sizes: readonly AxisSize[], data: Sizes = {}): SizeRow[] =>
  sizes.map((s): SizeRow => {
    const seen = data[s.name];
    if (seen !== undefined) return { name: s.name, size: seen, from: 'data', fixed: s.from !== 'given' };
    return { ...s, fixed: s.from === 'follows' };
  });

/** Parses a whole number of at least one; else null. */
const sizeOf = (text: string): number | null => {
  const size = Number(text);
  return text.trim() !== '' && Number.isInteger(size) && size >= 1 && size <= 1e9 ? size : null;
};

/**
 * Applies the text of one axis: an empty text removes the size, an invalid text changes nothing.
 */
export function withSize(dims: Sizes, name: string, text: string): Sizes {
  const { [name]: _, ...others } = dims;
  if (text.trim() === '') return others;
  const size = sizeOf(text);
  return size === null ? dims : { ...others, [name]: size };
}

export const sizesText = (dims: Sizes): string =>
  Object.entries(dims)
    .map(([name, size]) => `${name}=${size}`)
    .join(', ');

/** Parses "NAME=SIZE, NAME=SIZE"; null when the text has another form. */
export function sizesOf(text: string): Sizes | null {
  const out: Record<string, number> = {};
  for (const part of text.split(',')) {
    if (part.trim() === '') continue;
    // Names of axes may contain an equals sign; sizes cannot.
    const at = part.lastIndexOf('=');
    const size = at < 0 ? null : sizeOf(part.slice(at + 1));
    const name = part.slice(0, Math.max(0, at)).trim();
    if (size === null || name === '') return null;
    out[name] = size;
  }
  return out;
}
