/** Figures of answers to questions about pictures, by kind of question. */
import type { Interval } from './quality.ts';

/** A file of questions, and the kinds that ask where something is. */
export interface QuestionFile {
  readonly path: string;
  /** Null: kinds whose name says so (`where`, `location`, ...). */
  readonly localisation: readonly string[] | null;
}

/** Figures over the questions of one kind, or over all. */
export interface AnswerFigures {
  readonly questions: number;
  /** Questions whose right answer is known. `exact` and `characterError` are about these. */
  readonly known: number;
  /** Answers that are equal to the right one. */
  readonly exact: number;
  /** 95 % interval of the share of exact answers; null where no right answer is known. */
  readonly interval: Interval | null;
  /** Answers with the tokens of the original's answer. */
  readonly equal: number;
  /** Mean over the tokens of the original's answers: nats from its distribution of the next token to the new one. */
  readonly kl: number;
  /** Characters to insert, delete or replace, over the characters of the right answers; null where none is known. */
  readonly characterError: number | null;
}

/** Figures of one package. */
export interface QuestionFigures {
  readonly all: AnswerFigures;
  /** In the order in which the kinds appear; none where the file names none. */
  readonly kinds: readonly (AnswerFigures & { readonly kind: string })[];
  /** Over the questions that ask where something is; null where there are none. */
  readonly localisation: AnswerFigures | null;
  /** Exact answers to the questions that smaller pictures fail on; null where these are unknown. */
  readonly hard: number | null;
}

export interface QuestionsReport {
  readonly file: string;
  readonly questions: number;
  readonly pictures: number;
  /** Questions without a picture. */
  readonly textOnly: number;
  /** Kinds that ask where something is. */
  readonly localisation: readonly string[];
  /** Kinds with long right answers, for which the character error says more than exact answers. */
  readonly long: readonly string[];
  readonly original: QuestionFigures;
  /**
   * Questions that the original answers right, and smaller pictures with at most the same number of tokens wrong. Null
   * where smaller pictures are not possible, or no right answer is known.
   */
  readonly hard: { readonly questions: number; readonly tokens: number } | null;
  /** Figures that these questions do not give, the most serious first. */
  readonly warnings: readonly string[];
}

/** How pictures find their texts, and texts their pictures, in one package. */
export interface RetrievalFigures {
  readonly pictures: number;
  /** Distinct texts. */
  readonly texts: number;
  /** Pictures whose nearest text is theirs; with names of classes as texts, the zero-shot top-1. */
  readonly top1: number;
  /** 95 % interval of the share of `top1`. */
  readonly interval: Interval;
  /** Pictures with one of their texts among the five nearest. */
  readonly top5: number;
  /** Texts whose nearest picture is theirs, and texts with one of theirs among the five nearest. */
  readonly textTop1: number;
  readonly textTop5: number;
  /** Pictures with the same nearest text as in the original. */
  readonly equal: number;
  /** Mean cosine of the pictures' vectors with those of the original. */
  readonly cosine: number;
  /** `top1` among the pictures that smaller pictures fail on; null where these are unknown. */
  readonly hard: number | null;
}

export interface RetrievalReport {
  readonly file: string;
  readonly original: RetrievalFigures;
  /** Pictures whose nearest text is right in the original, and wrong with fewer pixels. */
  readonly hard: { readonly pictures: number; readonly tokens: number } | null;
  readonly warnings: readonly string[];
}
