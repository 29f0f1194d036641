import type { Executor } from '../engine/executor.ts';
import type { Candidate, Progress } from '../../shared/model/frames.ts';
import type { Figures } from '../../shared/model/figures.ts';
import type { Provenance } from '../../shared/model/types.ts';
import type { Checkpoint } from '../storage/artifacts.ts';

export type { Checkpoint, Figures };

/**
 * The tools of a task and its stages. They run in a worker process and must be repeatable, because
 * cancelling ends the process.
 */
export interface StageContext {
  readonly job: string;
  readonly executor: Executor;
  readonly latency: LatencyTable;
  /** The reporter computes the overall share from the stage's weight. */
  progress(p: Pick<Progress, 'stage' | 'message'> & { /** 0..1 of this stage */ readonly done: number }): void;
  log(line: string): void;
  /** Passes on a piece of the text that the task writes. Absent where no one reads it. */
  text?(piece: string): void;
  /** Reports a plan that was cut and measured. */
  point(p: Candidate): void;
  /**
   * Runs another task in a process of its own and returns its result; the process ends with the
   * task.
   * @throws SecateurError the task's error, or 'worker-died' and 'worker-not-ready' for its process
   */
  inSubprocess(task: string, input: unknown): Promise<unknown>;
  /**
   * Returns the folder of (stage, key); called by stage.ts. An existing folder is returned
   * unchanged. Otherwise `make` fills a temporary folder, which is renamed when it is complete, so
   * that a crash leaves no partial result. A checkpoint that `make` writes is available when it is
   * called again for the same folder.
   */
  artifact(stage: string, key: unknown, make: (dir: string, checkpoint: Checkpoint) => Promise<void>): Promise<string>;
  /** Figures of (name, key), stored one by one across runs and crashes; called by stage.ts. */
  memo(name: string, key: unknown): Figures;
}

/**
 * Measured milliseconds per operator signature, kept permanently per device and runtime version.
 */
export interface LatencyTable {
  get(signature: string): number | undefined;
  put(signature: string, ms: number, provenance: Provenance): void;
}
