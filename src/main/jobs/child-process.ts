/**
 * Workers as child processes of a plain Node process. Their output is captured here and never
 * reaches this process's stdout.
 */
import { fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { WorkerFrame } from '../../shared/model/frames.ts';
import type { WorkerExit, WorkerProcess, WorkerSpawner } from './process.ts';

export interface ForkOptions {
  /** Path of the built worker. */
  readonly worker: string;
  /** Arguments of the worker. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly execArgv?: readonly string[];
}

export function forkSpawner(options: ForkOptions): WorkerSpawner {
  return { spawn: () => spawnWorker(options) };
}

function spawnWorker(options: ForkOptions): WorkerProcess {
  const child = fork(options.worker, [...(options.args ?? [])], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization: 'advanced',
    env: { ...process.env, ...options.env },
    execArgv: [...(options.execArgv ?? [])],
  });
  let ended = false;
  const exitListeners: ((exit: WorkerExit, failure?: Error) => void)[] = [];
  const end = (exit: WorkerExit, failure?: Error): void => {
    if (ended) return;
    ended = true;
    for (const listener of exitListeners) listener(exit, failure);
  };
  child.on('error', (e) => {
    // The event also reports a failed kill or send, which is not the end. Only a process that never
    // started has no pid.
    if (child.pid === undefined) end({ code: null, signal: null }, e);
  });
  // 'close' comes after the pipes are drained, so the last lines of a dying worker are known by
  // then.
  child.on('close', (code, signal) => end({ code, signal }));
  return {
    get pid() {
      return child.pid;
    },
    send: (frame) => {
      if (child.connected) child.send(frame, () => undefined);
    },
    kill: (signal) => void child.kill(signal),
    onFrame: (listener) => void child.on('message', (m) => listener(m as WorkerFrame)),
    onLine: (listener) => {
      for (const stream of [child.stdout, child.stderr]) {
        if (stream) createInterface({ input: stream }).on('line', listener);
      }
    },
    onExit: (listener) => void exitListeners.push(listener),
  };
}
