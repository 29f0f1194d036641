/** Requests and reports of the window's page about answers and visual tokens. */
import type { RunRequest } from './generate.ts';
import type { Family, Provenance } from './types.ts';

/** A method that selects tokens behind the vision component, and how many stay per picture or tile. */
export interface Selection {
  /** A token method, or `pixels` for smaller pictures. */
  readonly method: string;
  /** Class tokens are not counted. */
  readonly keep: number;
}

/** A question to a package; with `fewer`, to the package as `tokens` would write it. */
export interface AskRequest extends Omit<RunRequest, 'texts'> {
  readonly fewer?: Selection;
}

export interface MethodChoice {
  readonly name: string;
  /** One line for a list of choices. */
  readonly summary: string;
  /** Numbers of tokens that it can keep, ascending, fewer than all. Empty where it is refused. */
  readonly levels: readonly number[];
  /**
   * Parts of the picture that stay: `kept` cells, all of it `coarser`, chosen `inside` the decoder for each prompt, or
   * `unknown` where the tokens have no known grid.
   */
  readonly parts: 'kept' | 'coarser' | 'inside' | 'unknown';
  /** Why the package cannot use it, as the end of a sentence; null where it can. */
  readonly refused: string | null;
}

/** The abilities of a package: whether it answers questions about pictures, and how many tokens can stay. */
export interface TokenLook {
  /** Why no picture can be asked about, as the end of a sentence; null where one can. */
  readonly unanswered: string | null;
  /** Why the number of tokens cannot be changed, as the end of a sentence; null where it can. */
  readonly refused: string | null;
  /** Null where the number cannot be changed. */
  readonly tokens: {
    /** Tokens per picture or tile that a method may drop. */
    readonly free: number;
    /** Class tokens and registers, which always stay. */
    readonly fixed: number;
    /** Pictures or tiles that the vision component gets for a square picture. */
    readonly images: number;
  } | null;
  readonly methods: readonly MethodChoice[];
}

export interface TokenTimesRequest {
  /** Folder of a package. */
  readonly package: string;
  /** Null: the original package with prompts of fewer image tokens. */
  readonly method: string | null;
  /** Settings of the workload by name. */
  readonly settings: Readonly<Record<string, number>>;
  readonly family?: Family;
  readonly provider: string;
  readonly threads: number;
}

/** Measured milliseconds until the first token. */
export interface TokenPoint {
  /** Tokens per picture or tile without class tokens; for a null method, image tokens of the prompt. */
  readonly tokens: number;
  readonly ms: number;
  readonly noiseMs: number;
}

export interface TokenTimes {
  readonly method: string | null;
  /** The original package. */
  readonly original: TokenPoint;
  /** By number of tokens, ascending; at least one. */
  readonly points: readonly TokenPoint[];
  readonly provenance: Provenance;
}

export interface TokenCellsRequest extends Selection {
  readonly package: string;
  /** Picture file. */
  readonly image: string;
}

/** A part of the picture that the encoder sees, and the cells of its grid that stay. */
export interface PicturePart {
  /** Shares of the width and height of the upright picture; parts may reach beyond its edges. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** True for the whole picture behind its tiles. */
  readonly overview: boolean;
  /** Numbered row by row from 0, ascending. */
  readonly kept: readonly number[];
}

export interface TokenCells {
  /** Rows and columns of the tokens of each part. */
  readonly grid: readonly [rows: number, columns: number];
  readonly parts: readonly PicturePart[];
}
