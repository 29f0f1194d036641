import type { Executor } from '../engine/executor.ts';
import type { Candidate, Progress } from '../../shared/model/frames.ts';
import type { Figures } from '../../shared/model/figures.ts';
import type { Provenance } from '../../shared/model/types.ts';
import type { Checkpoint } from '../storage/artifacts.ts';

export type { Checkpoint, Figures };

/** What a task and its stages may use. They run in a worker process and are safe to repeat: cancelling ends the process. */
export interface StageContext {
  readonly job: string;
  readonly executor: Executor;
  readonly latency: LatencyTable;
  /** Overall share done is computed by the reporter from the stage's weight. */
  progress(p: Pick<Progress, 'stage' | 'message'> & { /** 0..1 of this stage */ readonly done: number }): void;
  log(line: string): void;
  /** Tells of a plan that was cut and measured. */
  point(p: Candidate): void;
  /**
   * Runs another task in a process of its own, which ends with it, and gives its result.
   * @throws SecateurError what the task failed with, or 'worker-died' and 'worker-not-ready' for its process
   */
  inSubprocess(task: string, input: unknown): Promise<unknown>;
  /**
   * The folder of (stage, key); stage.ts calls this. A folder that exists is returned as it is. Otherwise `make` fills a
   * temporary folder, which is renamed when it is complete: a crash leaves nothing half-written. The checkpoint that `make`
   * writes is there when it is called again for the same folder.
   */
  artifact(stage: string, key: unknown, make: (dir: string, checkpoint: Checkpoint) => Promise<void>): Promise<string>;
  /** Figures of (name, key), kept one by one across runs and crashes; stage.ts calls this. */
  memo(name: string, key: unknown): Figures;
}

/** Measured milliseconds per operator signature, kept for ever under device and runtime version. */
export interface LatencyTable {
  get(signature: string): number | undefined;
  put(signature: string, ms: number, provenance: Provenance): void;
}
