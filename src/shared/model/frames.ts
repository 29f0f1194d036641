import type { ErrorPayload } from '../contract/errors.ts';

/** Frames sent to a worker process. */
export type HostFrame =
  | {
      readonly type: 'start';
      readonly id: string;
      readonly task: string;
      readonly input: unknown;
      readonly home: string;
    }
  | { readonly type: 'inSubprocess'; readonly call: number; readonly outcome: ApartOutcome }
  | { readonly type: 'stop' };

/** Frames sent by a worker process. */
export type WorkerFrame =
  | { readonly type: 'ready'; readonly pid: number }
  | { readonly type: 'progress'; readonly progress: Progress }
  | { readonly type: 'log'; readonly line: string }
  | { readonly type: 'point'; readonly point: Candidate }
  /** A piece of the text that a task writes, as soon as it is known. */
  | { readonly type: 'text'; readonly text: string }
  /** Requests a task in a process of its own; the answer carries the same `call`. */
  | { readonly type: 'inSubprocess'; readonly call: number; readonly task: string; readonly input: unknown }
  | { readonly type: 'result'; readonly value: unknown }
  | { readonly type: 'error'; readonly error: ErrorPayload };

/** Outcome of a task that a worker requested. */
export type ApartOutcome =
  { readonly kind: 'done'; readonly value: unknown } | { readonly kind: 'failed'; readonly error: ErrorPayload };

/** A plan that was measured during the search. */
export interface Candidate {
  /** Latency as a share of the original's. */
  readonly ratio: number;
  readonly predictedRatio: number;
  /** Output change: KL or relative squared error; null when unknown. */
  readonly change: number | null;
}

export interface Progress {
  readonly stage: string;
  /** Share of the whole task, 0..1. */
  readonly fraction: number;
  readonly message: string;
  /** Estimated milliseconds to the end, or null while unknown. */
  readonly etaMs: number | null;
  /**
   * Stages that have run at least once, in order of completion; a repeated stage stays in the list.
   */
  readonly finished?: readonly string[];
}
