/**
 * The contract of a criterion that says which image tokens stay inside a decoder. One file per criterion exports
 * `criterion`; registry.ts finds it. S is the number of tokens of the run, h the heads, g the key heads, d a head's size.
 */
import type { GraphBuilder } from '../../../../autodiff/builder.ts';
import type { Value } from '../../../../ir/value.ts';

/** The layer before the cut, whose values exist already, or the layer behind it, whose queries and keys are computed early. */
export type Where = 'before' | 'behind';

export interface CriterionContext {
  readonly b: GraphBuilder;
  /** Bool [1, S]: image tokens that are left. */
  readonly image: Value;
  /** int64 [1]: number of image tokens that are left. */
  readonly left: Value;
  /** int64 [1]: number of image tokens to keep, at most `left`. */
  readonly take: Value;
  /** int64 [1, S]: index of each image token among all image tokens of the run; other tokens hold any number. */
  readonly ordinal: Value;
  /** Columns of the image's grid, or null where they are unknown. */
  readonly columns: number | null;
  readonly seed: number;
  /**
   * Float [1, h, 1, S]: scaled products of the last token's query with the keys of this run's tokens, without rotary
   * positions. @throws SecateurError 'plan-invalid' where the layer has no such values
   */
  unrotated(): Value;
  /**
   * Float [1, h, 1, P + S]: scaled products of the last token's query with all keys, with rotary positions. Tokens that
   * are hidden have a large negative number.
   */
  rotated(where: Where): Value;
}

export interface Ranking {
  /** Float [1, S]: the largest stay. Only those of image tokens are read. */
  readonly scores: Value;
  /** Bool [1, S]: image tokens that stay in any case, beyond the number to keep. */
  readonly always?: Value;
}

/** A cut as a criterion recommends it: the share of the layers before it, and the share of all image tokens that it keeps. */
export interface RecommendedCut {
  readonly depth: number;
  readonly keep: number;
}

export interface DecoderCriterion {
  readonly name: string;
  /** One line for a list of choices. */
  readonly summary: string;
  readonly recommended: readonly RecommendedCut[];
  /**
   * Most image tokens that stay beyond the number to keep; default 0.
   * @param count image tokens of the prompt
   * @param columns of the image's grid, or null
   * @param stage 0 for the first cut of the decoder
   */
  beyond?(count: number, columns: number | null, stage: number): number;
  /** @param stage 0 for the first cut of the decoder */
  emit(ctx: CriterionContext, stage: number): Ranking;
}
