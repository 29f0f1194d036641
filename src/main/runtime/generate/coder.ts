/** The contract of vocabularies. */

export interface TextCoder {
  /**
   * @param special adds the tokens that the vocabulary puts around a text
   * @throws 'run-prompt' for text that the vocabulary cannot express
   */
  encode(text: string, special: boolean): number[];
  /** The text of tokens, without special tokens. */
  decode(ids: readonly number[]): string;
  /** Id of a token by its text; null where there is none. */
  idOf(token: string): number | null;
  tokenOf(id: number): string | null;
  /** Special tokens by role, such as `bos_token`, as the vocabulary's own files say. */
  readonly special: Readonly<Record<string, string>>;
  /** Tokens that begin and end a sequence, as the vocabulary's own files say. */
  readonly start: number | null;
  readonly end: number | null;
}
