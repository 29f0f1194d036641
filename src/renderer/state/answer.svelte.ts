/** One answer of a package: its text while it is written, then its report. */
import { call, payloadOf } from '../app/bridge.ts';
import type { ErrorPayload } from '../../shared/contract/errors.ts';
import type { Events, Input } from '../../shared/contract/routes.ts';
import type { AnswerReport } from '../../shared/model/generate.ts';

export type Question = Omit<Input<'answers.ask'>, 'ask'>;

/** Events reach every open window, so names of questions are random. */
const newName = (): string => `ask-${Math.random().toString(36).slice(2)}-${Date.now().toString(36)}`;

export class Answer {
  text = $state('');
  report = $state.raw<AnswerReport | null>(null);
  error = $state.raw<ErrorPayload | null>(null);
  busy = $state(false);
  /** True when the user ended it; the text so far stays. */
  stopped = $state(false);
  #ask: string | null = null;
  #abandon: AbortController | null = null;

  /** Resolves to true when the answer is complete. An earlier question to this package is abandoned. */
  async ask(question: Question): Promise<boolean> {
    this.clear();
    const ask = (this.#ask = newName());
    const abandon = (this.#abandon = new AbortController());
    this.busy = true;
    try {
      const report = await call('answers.ask', { ...question, ask }, abandon.signal);
      if (this.#ask !== ask) return false;
      // Pieces of the text may still be on their way.
      this.text = report.text;
      this.report = report;
      return true;
    } catch (e) {
      if (this.#ask === ask) this.error = payloadOf(e);
      return false;
    } finally {
      if (this.#ask === ask) this.#end();
    }
  }

  heard({ ask, text }: Events['answer']): void {
    if (ask === this.#ask) this.text += text;
  }

  stop(): void {
    if (!this.busy) return;
    this.stopped = true;
    const abandon = this.#abandon;
    this.#end();
    abandon?.abort();
  }

  clear(): void {
    const abandon = this.#abandon;
    this.#end();
    abandon?.abort();
    this.text = '';
    this.report = null;
    this.error = null;
    this.stopped = false;
  }

  #end(): void {
    this.#ask = null;
    this.#abandon = null;
    this.busy = false;
  }
}

/** Milliseconds of an answer; null for parts that did not run. */
export interface AnswerMs {
  /** Reading the picture and preparing its pixels. */
  readonly picture: number | null;
  readonly vision: number | null;
  readonly prefill: number | null;
  readonly perToken: number | null;
  /** From the picture's file to the first token. */
  readonly first: number;
}

export function answerMs({ phases }: Pick<AnswerReport, 'phases'>): AnswerMs {
  const find = (name: string): AnswerReport['phases'][number] | undefined => phases.find((p) => p.name === name);
  const decode = find('decode');
  return {
    picture: find('image')?.ms ?? null,
    vision: find('vision')?.ms ?? null,
    prefill: find('prefill')?.ms ?? null,
    perToken: decode ? decode.ms / decode.repeat : null,
    first: phases.filter((p) => p !== decode).reduce((sum, p) => sum + p.ms, 0),
  };
}
