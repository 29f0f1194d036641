// Workers as utility processes of Electron: a packaged app cannot run as plain Node, so it cannot
// fork itself.
import { createInterface } from 'node:readline';
import { utilityProcess } from 'electron';
import type { HostFrame, WorkerFrame } from '../../shared/model/frames.ts';
import type { WorkerProcess, WorkerSpawner } from '../jobs/process.ts';
import { exitOf } from './exit-status.ts';

/** Time limit for the last lines of an ended process to arrive. */
const DRAIN_MS = 1000;

/** Call only after the app is ready. `worker`: path of the built worker. */
export function utilitySpawner(options: { readonly worker: string }): WorkerSpawner {
  return { spawn: () => spawnWorker(options.worker) };
}

function spawnWorker(worker: string): WorkerProcess {
  const child = utilityProcess.fork(worker, [], {
    stdio: ['ignore', 'pipe', 'pipe'],
    serviceName: 'Secateur worker',
  });
  const streams = [child.stdout, child.stderr].filter((s) => s !== null);
  const drained = Promise.all(streams.map((s) => new Promise((done) => s.once('close', done).once('end', done))));
  let ended = false;
  let wanted: NodeJS.Signals | null = null;

  const kill = (signal: NodeJS.Signals): void => {
    if (ended) return;
    wanted = signal;
    // The process has not started yet; the listener below ends it once it has.
    if (child.pid === undefined) return;
    if (signal === 'SIGTERM') child.kill();
    else endByPid(child.pid, signal);
  };
  child.on('spawn', () => void (wanted && kill(wanted)));

  return {
    get pid() {
      return child.pid;
    },
    send: (frame: HostFrame) => void (!ended && child.postMessage(frame)),
    kill,
    onFrame: (listener) => void child.on('message', (m: WorkerFrame) => listener(m)),
    onLine: (listener) => {
      for (const input of streams) createInterface({ input }).on('line', listener);
    },
    onExit: (listener) =>
      void child.on('exit', (status) => {
        ended = true;
        // The pipes outlive the process briefly, and its last lines explain why it died.
        const limit = new Promise((done) => setTimeout(done, DRAIN_MS));
        void Promise.race([drained, limit]).then(() => listener(exitOf(status, wanted)));
      }),
  };
}

function endByPid(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // The process has already ended.
  }
}
