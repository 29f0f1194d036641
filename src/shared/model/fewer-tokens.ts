/** Packages whose pictures have fewer tokens: the request and the report of `secateur tokens`. */
import type { HeatMap } from './heat-map.ts';
import type { MetricTime } from './package.ts';
import type {
  QuestionFigures,
  QuestionFile,
  QuestionsReport,
  RetrievalFigures,
  RetrievalReport,
} from './question-figures.ts';
import type { RecoverRequest, TokenRecovery } from './token-recovery.ts';
import type { Provenance } from './types.ts';

/** Tokens that stay per picture, or per tile where pictures are cut into tiles. Class tokens are not counted. */
export type Keep = { readonly tokens: number } | { readonly share: number };

export interface FewerTokensRequest {
  /** Folder of a package. */
  readonly package: string;
  readonly keep: Keep;
  /**
   * A token method, `pixels` for smaller pictures, `decoder-` and a criterion for cuts inside the decoder, or `all` for a
   * table.
   */
  readonly method: string;
  /** Layers of the decoder whose input loses tokens, counted from 0; default: those of the criterion. */
  readonly layers?: readonly number[];
  /** How the decoder learns which tokens are of the image; default: chosen for the package. */
  readonly marks?: MarkRoute;
  /** Whether tokens selected behind the encoder keep their positions where that is possible, or are numbered anew; default: kept. */
  readonly positions?: 'kept' | 'new';
  /** Folder of the new package. Null: none is written. */
  readonly out: string | null;
  /** False: nothing is measured, and figures of time are empty lists. */
  readonly measure?: boolean;
  /** Picture files on which answers are compared; with every prompt each. */
  readonly images: readonly string[];
  readonly prompts: readonly string[];
  /** Questions on which answers are judged, in the place of pictures and prompts; pictures with texts for a dual encoder. */
  readonly questions?: QuestionFile;
  /** Whether the report says which regions of the pictures keep their tokens. */
  readonly heatMap?: boolean;
  /** Recovery of the written package by training; null or absent: none. */
  readonly recover?: RecoverRequest | null;
  /** Settings of the workload by name, without `image`. */
  readonly settings: Readonly<Record<string, number>>;
  readonly provider: string;
  readonly threads: number;
  readonly threadsAsked?: number;
}

/**
 * A channel of the embeddings, a span of the prompt that the decoder knows, or an input of the decoder.
 */
export type MarkRoute = 'flag' | 'span' | 'input';

/** How the decoder of a package learns which tokens of a prompt are of the image. */
export interface ImageMarks {
  readonly route: MarkRoute;
  readonly reason: string;
  /** Programs that run the package where they ran the original. */
  readonly runs: readonly string[];
  readonly refuses: readonly { readonly runner: string; readonly reason: string }[];
}

/** Median milliseconds of one run of a phase. */
export interface PhaseMs {
  readonly name: string;
  readonly component: string;
  /** Runs per use. */
  readonly repeat: number;
  readonly ms: number;
}

/** One use of a package, measured. */
export interface UseTime {
  readonly phases: readonly PhaseMs[];
  readonly metrics: readonly MetricTime[];
}

/** A figure over that of the original package, measured interleaved. */
export interface Ratio {
  /** Name of a phase or of a metric. */
  readonly name: string;
  readonly ratio: number;
  /** Half-width of the interval in which the ratio is repeatable. */
  readonly noise: number;
}

/** Greedy answers of two packages to the same pictures and prompts. */
export interface AnswerChange {
  readonly answers: number;
  /** Answers with the same tokens. */
  readonly equal: number;
  /** Mean over the tokens of the original's answers: nats from the original's to the new distribution of the next token. */
  readonly kl: number;
  /** The first few, side by side. */
  readonly shown: readonly {
    readonly image: string;
    readonly prompt: string | null;
    readonly before: string;
    readonly after: string;
  }[];
}

export interface MethodResult {
  readonly method: string;
  /** Tokens per picture, class tokens included; for cuts inside the decoder, those that are left behind the last one. */
  readonly tokens: number;
  /** How the number came about where it is not that of a selection, such as `pictures of 84 x 84 pixels`. */
  readonly how: string | null;
  readonly use: UseTime;
  readonly ratios: readonly Ratio[];
  /** Null without pictures. With recovery, on the questions that judge it. */
  readonly answers: AnswerChange | null;
  /** Null without a file of questions. */
  readonly figures: QuestionFigures | null;
  /** Null where it was not asked for, and where no token stays in its place. */
  readonly heatMap: HeatMap | null;
  /** Present for a dual encoder with a file of pictures and texts. */
  readonly retrieval: RetrievalFigures | null;
  /** Null or absent: none was asked for. */
  readonly recovery?: TokenRecovery | null;
}

/** A method that is judged for comparison, and neither written nor measured. */
export interface Baseline {
  readonly method: string;
  readonly tokens: number;
  readonly figures: QuestionFigures | null;
  readonly retrieval: RetrievalFigures | null;
}

export interface FewerTokensReport {
  readonly package: string;
  /** The vision component. */
  readonly component: string;
  /** Tokens per picture, class tokens included. */
  readonly tokens: number;
  /** The number asked for. */
  readonly asked: number;
  /** Pictures or tiles that the encoder gets for a square picture. */
  readonly images: number;
  /** One use of the original. */
  readonly about: string;
  readonly use: UseTime;
  readonly results: readonly MethodResult[];
  /** Null without a file of questions. */
  readonly questions: QuestionsReport | null;
  /** Present for a dual encoder, in the place of questions. */
  readonly retrieval: RetrievalReport | null;
  /** Beside a single method, the ones that every method must beat; none without a file of questions. */
  readonly baselines: readonly Baseline[];
  readonly refused: readonly { readonly method: string; readonly reason: string }[];
  /** How packages whose decoder drops tokens mark them; null where there is none. */
  readonly marks: ImageMarks | null;
  readonly written: {
    readonly folder: string;
    /** Files that differ from the original's, relative to the folder. */
    readonly changed: readonly string[];
    /** Files of the original that are not in the folder. */
    readonly leftOut: readonly string[];
  } | null;
  readonly provenance: Provenance;
  readonly notes: readonly string[];
}
