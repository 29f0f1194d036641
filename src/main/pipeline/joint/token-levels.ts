/** Selections of visual tokens that are compared for a budget. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Selection } from '../../../shared/model/visual-tokens.ts';
import { METHOD_NAMES } from '../tokens/variants.ts';
import type { TokenSubject } from '../tokens/subject.ts';

/** Methods that are tried: means of neighbours, a diverse set, the best of each cell, smaller pictures, and cuts inside the decoder. */
const AUTO = ['pool', 'dpp', 'stratified', 'pixels', 'decoder-feather'];

/** Shares of the tokens that are tried. */
const SHARES = [0.75, 0.5, 0.36, 0.25, 0.16, 0.11];

/** @param tokens `auto`, `none` or the name of a method. @throws 'tokens-method' */
export function selectionsOf({ place }: TokenSubject, tokens: string): Selection[] {
  if (tokens === 'none') return [];
  if (tokens !== 'auto' && !METHOD_NAMES.includes(tokens))
    throw new SecateurError('tokens-method', { name: tokens, known: `auto, none, ${METHOD_NAMES.join(', ')}` });
  const free = place.count - place.fixed;
  const methods = tokens === 'auto' ? AUTO : [tokens];
  return methods.flatMap((method) =>
    [...new Set(SHARES.map((s) => Math.max(1, Math.round(s * free))))]
      .filter((keep) => keep < free)
      .map((keep) => ({ method, keep })),
  );
}
