/** The variant of one method and one number of tokens. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Selection } from '../../../shared/model/visual-tokens.ts';
import type { Executor } from '../../engine/executor.ts';
import { InsideMethods } from './inside.ts';
import { KeptPositions } from './kept-positions.ts';
import { keptOf, type TokenSubject } from './subject.ts';
import { makeVariants, type Variant } from './variants.ts';

/** Layers and marks of the image are those that each method and package has by itself. */
export const insideOf = (subject: TokenSubject): InsideMethods =>
  new InsideMethods(subject, { layers: null, marks: null });

/** @throws 'tokens-method', 'tokens-method-refused', 'tokens-keep' */
export async function oneVariant(
  subject: TokenSubject,
  { method, keep }: Selection,
  executor: Executor,
  inside = insideOf(subject),
): Promise<Variant> {
  const left = keptOf(subject, { tokens: keep });
  const [made] = await makeVariants(subject, [method], left, executor, inside, new KeptPositions(subject));
  if (!made || 'refused' in made) throw new SecateurError('tokens-method-refused', { method, reason: made?.refused });
  return made;
}
