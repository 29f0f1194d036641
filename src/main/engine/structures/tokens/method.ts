/**
 * The contract of a token method: a rule that decides inside the graph, for every sample anew, which tokens stay and
 * what they hold. One file per method in the folder `methods` exports `method`; registry.ts finds it.
 *
 * A method emits nodes and returns a selection. The same selection serves both sides of the oracle: a cut continues
 * with the selected tokens alone (`keptTokens`), and the masked model keeps all tokens, gives the selected ones their
 * new content and hides the rest.
 */
import type { GraphBuilder } from '../../autodiff/builder.ts';
import type { Value } from '../../ir/value.ts';

/** Values that a method needs beside the tokens. A place that lacks one cannot use the method. */
export type TokenNeed =
  /** `attention` */
  | 'attention'
  /** `keys` */
  | 'keys'
  /** `grid` */
  | 'grid'
  /** `sizes` are read by the attention behind the place. */
  | 'sizes';

/** Tokens of one place, with values that describe them. B is the batch, which may be dynamic, N the number of tokens. */
export interface TokenInputs {
  /** Float [B, N, D]. */
  readonly tokens: Value;
  readonly count: number;
  readonly width: number;
  /** Leading tokens that always stay: a class token, registers. */
  readonly fixed: number;
  /** Rows and columns of the other tokens in row-major order, where they are known. rows * columns = count - fixed. */
  readonly grid?: readonly [rows: number, columns: number];
  /**
   * Float [B, N]: attention that each token receives in the layer before the place, mean over heads. From the class
   * token where the encoder has one, else the mean over all tokens. `receivedAttention` computes it.
   */
  readonly attention?: Value;
  /** Float [B, N, d]: keys of that layer, mean over heads. */
  readonly keys?: Value;
  /** Float [B, N]: number of original tokens that each one stands for. Absent: one each. */
  readonly sizes?: Value;
  /** Float [B, N] of any scale: relevance of the tokens to a text. Absent: all are equally relevant. */
  readonly relevance?: Value;
  /** Seeds methods that draw random numbers. */
  readonly seed: number;
}

/** K = fixed + keep: the tokens that stay. */
export interface TokenSelection {
  /** int64 [B, K]: indices of the tokens that stay, ascending. Begins with the fixed ones. */
  readonly index: Value;
  /** int64 [B, K]: numbers of the places where the tokens stand, fixed ones included. Absent: those of `index`. */
  readonly position?: Value;
  /** Float [B, K, D]: contents of the tokens that stay, in the order of `index`. Absent: unchanged. */
  readonly content?: Value;
  /** Float [B, K]: number of original tokens that each one stands for, in the order of `index`. Absent: unchanged. */
  readonly sizes?: Value;
}

export interface TokenMethod {
  readonly name: string;
  /** One line for a list of choices. */
  readonly summary: string;
  readonly needs: readonly TokenNeed[];
  /**
   * True where a kept token takes the place of those that join it in every later attention and mean, so that sizes are
   * carried on (ToMe).
   */
  readonly merges: boolean;
  /** True where each token is a mean of its cell, so that none stays in its place. */
  readonly averages?: true;
  /** True where the recipe's `auto` compares the method. The others stand beside them in tables, or are chosen by name. */
  readonly auto?: true;
  /** Numbers of tokens that the method can keep, ascending; absent: any from 1 on. Fixed tokens are not counted. */
  readonly levels?: (tokens: Pick<TokenInputs, 'count' | 'fixed' | 'grid'>) => readonly number[];
  /**
   * Emits the selection. All tokens (keep = count - fixed) give the identity. Needs operator set 11.
   * @param keep tokens that stay, without the fixed ones; 1 <= keep <= count - fixed
   */
  emit(b: GraphBuilder, tokens: TokenInputs, keep: number): TokenSelection;
}
