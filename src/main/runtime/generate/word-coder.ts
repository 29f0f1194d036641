/** Vocabularies that list whole words: every token is a word, and no rule splits text. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { TextCoder } from './coder.ts';

interface WordList {
  readonly vocab?: Readonly<Record<string, number>>;
  readonly word2idx?: Readonly<Record<string, number>>;
  readonly special_tokens?: Readonly<Record<string, number>>;
  readonly start?: number;
  readonly end?: number;
}

const wordsOf = (list: WordList): Readonly<Record<string, number>> => list.word2idx ?? list.vocab ?? {};

/** True for a list with its words in `vocab` or `word2idx`. A plain table of tokens belongs to another tokenizer. */
export const isWordList = (value: unknown): value is WordList => {
  if (typeof value !== 'object' || value === null) return false;
  const words = Object.values(wordsOf(value as WordList));
  return words.length > 0 && words.every((id) => typeof id === 'number');
};

export function wordCoder(list: WordList): TextCoder {
  const ids = new Map(Object.entries(wordsOf(list)));
  const words = new Map([...ids].map(([word, id]) => [id, word]));
  const start = list.start ?? list.special_tokens?.['sos'] ?? null;
  const end = list.end ?? list.special_tokens?.['eos'] ?? null;
  const hidden = new Set([
    ...Object.values(list.special_tokens ?? {}),
    ...[...ids].filter(([word]) => /^<.*>$/.test(word) && word.length > 2).map(([, id]) => id),
  ]);
  const shown = [...ids].filter(([, id]) => !hidden.has(id)).map(([word]) => word);
  // Words of one character need no space between them.
  const space = shown.every((word) => [...word].length === 1) ? '' : ' ';
  return {
    encode: (text, special) => {
      const parts = space === '' ? [...text.replace(/\s+/g, '')] : text.split(/\s+/).filter((w) => w !== '');
      const tokens = parts.map((word) => {
        const id = ids.get(word);
        if (id === undefined) throw new SecateurError('run-prompt', { reason: `the vocabulary has no word "${word}"` });
        return id;
      });
      return special && start !== null ? [start, ...tokens] : tokens;
    },
    decode: (tokens) =>
      tokens
        .filter((id) => !hidden.has(id))
        .map((id) => words.get(id) ?? '')
        .join(space),
    idOf: (token) => ids.get(token) ?? null,
    tokenOf: (id) => words.get(id) ?? null,
    special: {},
    start,
    end,
  };
}
