/**
 * The interface between the process host and an operating-system process: child_process in Node,
 * utilityProcess in Electron.
 */
import type { HostFrame, WorkerFrame } from '../../shared/model/frames.ts';

export interface WorkerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface WorkerProcess {
  readonly pid: number | undefined;
  send(frame: HostFrame): void;
  kill(signal: NodeJS.Signals): void;
  onFrame(listener: (frame: WorkerFrame) => void): void;
  /** Delivers lines of the worker's standard output and error. */
  onLine(listener: (line: string) => void): void;
  /** Fires once, also when the process could not be started. */
  onExit(listener: (exit: WorkerExit, failure?: Error) => void): void;
}

export interface WorkerSpawner {
  spawn(): WorkerProcess;
}
