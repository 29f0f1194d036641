/** What a report says of models that draw numbers. */
import { randomOutputs } from '../engine/ir/dependence.ts';
import type { Model } from '../engine/ir/model.ts';

export function randomNotes(model: Model): string[] {
  const names = [...randomOutputs(model).names];
  if (names.length === 0) return [];
  return [
    `The model is random: it draws ${names.join(', ')} anew in every run. Figures of quality contain that chance, and golden outputs of the bundle stand for names, types, shapes and finiteness only.`,
  ];
}
