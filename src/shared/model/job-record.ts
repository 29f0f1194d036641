import type { ErrorPayload } from '../contract/errors.ts';
import type { Progress } from './frames.ts';

/** `interrupted`: the process that ran the job died; the job can be resumed. */
export type JobStatus = 'queued' | 'running' | 'done' | 'failed' | 'cancelled' | 'interrupted';

/** A job as stored in the database. Times are unix milliseconds. */
export interface JobRecord {
  readonly id: string;
  readonly kind: string;
  readonly request: unknown;
  readonly status: JobStatus;
  /** Process id of the owner while the job runs. */
  readonly ownerPid: number | null;
  readonly workerPid: number | null;
  /** Number of starts: 1 for the first run, one more per resume. */
  readonly attempts: number;
  readonly progress: Progress | null;
  readonly result: unknown;
  readonly error: ErrorPayload | null;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
}
