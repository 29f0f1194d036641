/** The word-level vocabulary of the vision-language sample. Ids are positions in `WORDS`. */
import { COLOUR_NAMES, GRID, SHAPE_NAMES } from './pictures.ts';

export const PAD = 0;
export const BOS = 1;
export const EOS = 2;
const UNKNOWN = 3;
export const IMAGE = 4;

/** Special tokens first. */
export const SPECIAL = ['<pad>', '<bos>', '<eos>', '<unk>', '<image>'] as const;

export const pluralOf = (shape: string): string => (/(s|ss)$/.test(shape) ? `${shape}es` : `${shape}s`);
export const rowWord = (row: number): string => `row${row + 1}`;
export const columnWord = (column: number): string => `col${column + 1}`;
/** Counts up to the number of things in a picture. */
export const NUMBERS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six'] as const;

const cells = (word: (i: number) => string): string[] => Array.from({ length: GRID }, (_, i) => word(i));

export const WORDS: readonly string[] = [
  ...SPECIAL,
  ...[
    'what',
    'colour',
    'shape',
    'is',
    'the',
    'thing',
    'things',
    'how',
    'many',
    'there',
    'a',
    'where',
    '?',
    'yes',
    'no',
  ],
  ...COLOUR_NAMES,
  ...SHAPE_NAMES,
  ...SHAPE_NAMES.map(pluralOf),
  ...NUMBERS,
  ...cells(rowWord),
  ...cells(columnWord),
];

const ids = new Map(WORDS.map((word, id) => [word, id]));

/** Ids of words separated by spaces. The tokenizer of the package gives the same ids, with `<bos>` before them. */
export const encode = (text: string): number[] => text.split(' ').map((word) => ids.get(word) ?? UNKNOWN);

/** Words of the ids, without special tokens. */
export const decode = (tokens: readonly number[]): string =>
  tokens
    .filter((id) => id >= SPECIAL.length)
    .map((id) => WORDS[id])
    .join(' ');
