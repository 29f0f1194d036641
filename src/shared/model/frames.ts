import type { ErrorPayload } from '../contract/errors.ts';

/** What a worker process is told. */
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

/** What a worker process says. */
export type WorkerFrame =
  | { readonly type: 'ready'; readonly pid: number }
  | { readonly type: 'progress'; readonly progress: Progress }
  | { readonly type: 'log'; readonly line: string }
  | { readonly type: 'point'; readonly point: Candidate }
  /** Asks for a task in a process of its own; `call` comes back with its outcome. */
  | { readonly type: 'inSubprocess'; readonly call: number; readonly task: string; readonly input: unknown }
  | { readonly type: 'result'; readonly value: unknown }
  | { readonly type: 'error'; readonly error: ErrorPayload };

/** What became of a task that a worker asked for. */
export type ApartOutcome =
  { readonly kind: 'done'; readonly value: unknown } | { readonly kind: 'failed'; readonly error: ErrorPayload };

/** A plan as it was measured on the way. */
export interface Candidate {
  /** Of the original's time. */
  readonly ratio: number;
  readonly predictedRatio: number;
  /** Output change, KL or relative squared error; null where it is not known. */
  readonly change: number | null;
}

export interface Progress {
  readonly stage: string;
  /** 0..1 of the whole task. */
  readonly fraction: number;
  readonly message: string;
  /** Estimated milliseconds to the end, or null while unknown. */
  readonly etaMs: number | null;
  /** Stages that have been gone through at least once, in that order; one that is repeated stays in the list. */
  readonly finished?: readonly string[];
}
