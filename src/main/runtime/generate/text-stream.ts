/** The text of an answer while its tokens arrive. */
import type { TextCoder } from './coder.ts';

/** A character whose bytes have not all arrived. */
const UNFINISHED = '\uFFFD';

export class TextStream {
  readonly #coder: TextCoder;
  readonly #ids: number[] = [];
  #told = '';

  constructor(coder: TextCoder) {
    this.#coder = coder;
  }

  /** Text that became certain with a token; the beginning of a character waits for its end. */
  push(id: number): string {
    this.#ids.push(id);
    const whole = this.text;
    if (whole.endsWith(UNFINISHED) || !whole.startsWith(this.#told)) return '';
    const more = whole.slice(this.#told.length);
    this.#told = whole;
    return more;
  }

  /** Text that was held back. */
  end(): string {
    const whole = this.text;
    return whole.startsWith(this.#told) ? whole.slice(this.#told.length) : '';
  }

  get text(): string {
    return this.#coder.decode(this.#ids);
  }
}
