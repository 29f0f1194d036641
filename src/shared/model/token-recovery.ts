/** Recovery of packages with fewer visual tokens: what is asked for, and what it gained. */
import type { AnswerChange } from './fewer-tokens.ts';

/** Weights that recovery trains: all matrices of the decoder, adapters beside them (LoRA), or those of the projector. */
export type RecoverBy = 'auto' | 'full' | 'lora' | 'projector';

export interface RecoverRequest {
  readonly seconds: number;
  readonly by: RecoverBy;
  /** Rank of adapters, and the factor that is divided by it. */
  readonly rank: number;
  readonly alpha: number;
}

/** Training of a package's decoder on the original's answers. */
export interface TokenRecovery {
  readonly by: Exclude<RecoverBy, 'auto'>;
  readonly rank?: number;
  readonly alpha?: number;
  /** Why these weights, as a sentence. */
  readonly reason: string;
  /** Number of trained weights, and of all weights of their component. */
  readonly trained: number;
  readonly weights: number;
  readonly steps: number;
  readonly epochs: number;
  readonly seconds: number;
  /** Questions per step. */
  readonly batch: number;
  /** Questions that train, that choose the best state, and that judge. */
  readonly questions: { readonly train: number; readonly choose: number; readonly judge: number };
  /** Bytes of stored targets and inputs, and expected bytes of a step. */
  readonly bytes: { readonly lessons: number; readonly step: number };
  /** KL on the questions that choose, in nats per token: at the start, and of the best state. */
  readonly chosen: { readonly before: number; readonly after: number };
  /** On the questions that judge; `after` is null where no state was better than the first. */
  readonly before: AnswerChange;
  readonly after: AnswerChange | null;
  /** False: the package keeps its weights, because the questions that judge are answered no better. */
  readonly kept: boolean;
  readonly notes: readonly string[];
}
