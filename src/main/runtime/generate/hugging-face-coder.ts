/** Tokenizers of Hugging Face: tokenizer.json with tokenizer_config.json. */
import { Tokenizer } from '@huggingface/tokenizers';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { TextCoder } from './coder.ts';

/**
 * @param path of tokenizer.json, for errors
 * @throws 'tokenizer-unusable'
 */
export function huggingFaceCoder(tokenizer: object, config: object, path: string): TextCoder {
  const special = specialTokens(config as Readonly<Record<string, unknown>>);
  let inner: Tokenizer;
  try {
    // Special tokens may be objects; the library reads their text only.
    inner = new Tokenizer(tokenizer, { ...config, ...special });
  } catch (e) {
    throw new SecateurError('tokenizer-unusable', { path, reason: (e as Error).message }, { cause: e });
  }
  const idOf = (token: string | undefined): number | null =>
    token === undefined ? null : (inner.token_to_id(token) ?? null);
  return {
    encode: (text, add) => inner.encode(text, { add_special_tokens: add }).ids,
    decode: (ids) => (ids.length === 0 ? '' : inner.decode([...ids], { skip_special_tokens: true })),
    idOf,
    tokenOf: (id) => inner.id_to_token(id) ?? null,
    special,
    start: idOf(special['bos_token']),
    end: idOf(special['eos_token']),
  };
}

/** Entries such as `eos_token`, given as text or as an object with its text. */
function specialTokens(config: Readonly<Record<string, unknown>>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [key, value] of Object.entries(config)) {
    if (!key.endsWith('_token')) continue;
    const content = typeof value === 'object' && value !== null ? (value as { content?: unknown }).content : value;
    if (typeof content === 'string') found[key] = content;
  }
  return found;
}
