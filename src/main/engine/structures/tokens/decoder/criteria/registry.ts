/** Finds all criteria of decoders: every file of this folder that exports `criterion`. */
import type { DecoderCriterion } from './criterion.ts';

const modules = import.meta.glob<{ criterion?: DecoderCriterion }>(
  ['./*.ts', '!./*.test.ts', '!./registry.ts', '!./criterion.ts'],
  { eager: true },
);

/** Sorted by name. */
export const DECODER_CRITERIA: readonly DecoderCriterion[] = Object.values(modules)
  .flatMap((m) => m.criterion ?? [])
  .sort((a, b) => (a.name < b.name ? -1 : 1));

export const decoderCriterion = (name: string): DecoderCriterion | undefined =>
  DECODER_CRITERIA.find((c) => c.name === name);
