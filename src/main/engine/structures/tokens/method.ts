/**
 * The contract of a token method: a rule that decides inside the graph, for every sample anew, which tokens stay and
 * what they hold. One file per method in the folder `methods` exports `method`; registry.ts finds it.
 *
 * A method emits nodes and returns a selection. The same selection serves both sides of the oracle: a cut gathers the
 * selected tokens, and the masked model keeps all tokens, gives the selected ones their new content and hides the rest.
 */
import type { GraphBuilder } from '../../autodiff/builder.ts';
import type { Value } from '../../ir/value.ts';

/** Values that a method may need beside the tokens. A place that lacks one cannot use the method. */
export type TokenNeed =
  /** `attention` */
  | 'attention'
  /** `keys` */
  | 'keys'
  /** `grid` */
  | 'grid'
  /** A class token, which is token 0. */
  | 'class-token'
  /** `sizes` are read by the attention behind the place. */
  | 'sizes';

/** Tokens of one place, with values that describe them. B is the batch, N the number of tokens. */
export interface TokenInputs {
  /** Float [B, N, D]. */
  readonly tokens: Value;
  readonly count: number;
  readonly width: number;
  /** Leading tokens that always stay: a class token, registers. */
  readonly fixed: number;
  /** Rows and columns of the other tokens in row-major order, where they are known. rows * columns = count - fixed. */
  readonly grid?: readonly [rows: number, columns: number];
  /** Float [B, H, N, N]: attention probabilities of the layer before the place; rows are queries. */
  readonly attention?: Value;
  /** Float [B, H, N, d]: keys of that layer. */
  readonly keys?: Value;
  /** Float [B, N]: number of original tokens that each one stands for. Absent: one each. */
  readonly sizes?: Value;
  /** Seeds methods that draw random numbers. */
  readonly seed: number;
}

export interface TokenSelection {
  /** int64 [B, fixed + keep]: indices of the tokens that stay, ascending. Begins with the fixed ones. */
  readonly index: Value;
  /** Float [B, N, D]: contents of the tokens; only rows in `index` are read. Absent: unchanged. */
  readonly content?: Value;
  /** Float [B, N]: new number of original tokens per token; only rows in `index` are read. Absent: unchanged. */
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
  /** Numbers of tokens that the method can keep; absent: any from 1 on. Fixed tokens are not counted. */
  readonly levels?: (tokens: Pick<TokenInputs, 'count' | 'fixed' | 'grid'>) => readonly number[];
  /** @param keep tokens that stay, without the fixed ones; 1 <= keep <= count - fixed */
  emit(b: GraphBuilder, tokens: TokenInputs, keep: number): TokenSelection;
}
