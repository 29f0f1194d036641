/** Notes for a report on models with random numbers. */
import { randomOutputs, type RandomOutputs } from '../../engine/ir/dependence.ts';
import type { Model } from '../../engine/ir/model.ts';
import { inlineFunctions } from '../../runtime/inline.ts';

/**
 * Outputs that may differ between runs with the same inputs. Functions of the model are inspected
 * too.
 * @throws SecateurError 'runtime-rejected' when the model has functions and does not open
 */
export const randomOutputsOf = async (model: Model): Promise<RandomOutputs> =>
  randomOutputs(await inlineFunctions(model));

export async function randomNotes(model: Model): Promise<string[]> {
  const names = [...(await randomOutputsOf(model)).names];
  if (names.length === 0) return [];
  return [
    `The model is random: it draws ${names.join(', ')} again in every run. Quality includes this randomness, and golden outputs of the bundle check only names, types, shapes and finiteness.`,
  ];
}
