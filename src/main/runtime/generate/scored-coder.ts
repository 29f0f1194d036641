/**
 * Vocabularies with scores, as llama2.c exports SentencePiece models: pairs of neighbours are merged in the order of
 * their scores, and characters outside the vocabulary become bytes. Three tokens (unknown, start, end) come first, then
 * the 256 bytes.
 */
import type { TextCoder } from './coder.ts';

interface ScoredVocabulary {
  readonly vocab: readonly string[];
  readonly scores: readonly number[];
  readonly bos?: number;
  readonly eos?: number;
}

export const isScoredVocabulary = (value: unknown): value is ScoredVocabulary =>
  typeof value === 'object' &&
  value !== null &&
  Array.isArray((value as ScoredVocabulary).vocab) &&
  Array.isArray((value as ScoredVocabulary).scores);

const FIRST_BYTE = 3;
const FIRST_PIECE = FIRST_BYTE + 256;

export function scoredCoder({ vocab, scores, bos, eos }: ScoredVocabulary): TextCoder {
  const ids = new Map<string, number>();
  for (const [id, piece] of vocab.entries()) if (id >= FIRST_PIECE && !ids.has(piece)) ids.set(piece, id);
  const [start, end] = [bos ?? 1, eos ?? 2];
  const bytesOf = (id: number): Uint8Array =>
    id >= FIRST_BYTE && id < FIRST_PIECE ? Uint8Array.of(id - FIRST_BYTE) : utf8.encode(vocab[id] ?? '');
  return {
    encode: (text, special) => [...(special ? [start] : []), ...merged(characters(text, ids), vocab, scores, ids)],
    decode: (tokens) => {
      const words = tokens.filter((id) => id >= FIRST_BYTE);
      // A text begins with a space that is not its own.
      return new TextDecoder().decode(joined(words.map(bytesOf))).replace(/^ /, '');
    },
    idOf: (token) => ids.get(token) ?? null,
    tokenOf: (id) => vocab[id] ?? null,
    special: {},
    start,
    end,
  };
}

const utf8 = new TextEncoder();

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

function characters(text: string, ids: ReadonlyMap<string, number>): number[] {
  if (text === '') return [];
  return [...` ${text}`].flatMap((c) => ids.get(c) ?? [...utf8.encode(c)].map((b) => b + FIRST_BYTE));
}

/** Merges the pair with the highest score until no pair is a piece. */
function merged(
  tokens: number[],
  vocab: readonly string[],
  scores: readonly number[],
  ids: ReadonlyMap<string, number>,
): number[] {
  const list = [...tokens];
  for (;;) {
    let [best, at, score] = [-1, -1, -Infinity];
    for (let i = 0; i + 1 < list.length; i++) {
      const id = ids.get(vocab[list[i]!]! + vocab[list[i + 1]!]!);
      if (id !== undefined && scores[id]! > score) [best, at, score] = [id, i, scores[id]!];
    }
    if (at < 0) return list;
    list.splice(at, 2, best);
  }
}
