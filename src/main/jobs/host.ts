/**
 * Runs one task in a worker process, and further processes for subtasks that the task requests. The
 * outcome is always a typed result: a value, a catalogue error, or `cancelled`. The promise never
 * rejects.
 */
import type { ErrorPayload } from '../../shared/contract/errors.ts';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Candidate, Progress, WorkerFrame } from '../../shared/model/frames.ts';
import { deathOf } from './death.ts';
import type { WorkerProcess, WorkerSpawner } from './process.ts';

export type Outcome =
  | { readonly kind: 'done'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly error: ErrorPayload }
  | { readonly kind: 'cancelled'; readonly error: ErrorPayload };

export interface TaskOptions {
  readonly id: string;
  readonly task: string;
  readonly input: unknown;
  readonly home: string;
  readonly onStarted?: (pid: number) => void;
  readonly onProgress?: (progress: Progress) => void;
  readonly onLog?: (line: string) => void;
  readonly onPoint?: (point: Candidate) => void;
  readonly onText?: (piece: string) => void;
  /** Time limit for the worker's ready frame, in milliseconds; default 30,000. */
  readonly readyTimeoutMs?: number;
}

export interface RunningTask {
  readonly done: Promise<Outcome>;
  cancel(): void;
}

const READY_TIMEOUT_MS = 30_000;
/** Time between the request to end and the kill. */
const KILL_AFTER_MS = 2000;
/** Number of the worker's last output lines that are kept to explain its death. */
const LAST_WORDS = 20;

export function runTask(spawner: WorkerSpawner, options: TaskOptions): RunningTask {
  const patience = options.readyTimeoutMs ?? READY_TIMEOUT_MS;
  let cancelled = false;
  let process: WorkerProcess | undefined;
  const children = new Set<RunningTask>();
  let killTimer: NodeJS.Timeout | undefined;

  const stop = (): void => {
    for (const task of children) task.cancel();
    process?.kill('SIGTERM');
    // session.run() blocks the worker's event loop, so only SIGKILL is certain to end it.
    killTimer ??= setTimeout(() => process?.kill('SIGKILL'), KILL_AFTER_MS);
  };

  const done = new Promise<Outcome>((resolve) => {
    let outcome: Outcome | undefined;
    let ready = false;
    let told = false;
    // A utility process gets its pid only once it runs. A child process has it at once, even if it
    // never sends a frame.
    const started = (pid: number | undefined): void => {
      if (told || pid === undefined) return;
      told = true;
      options.onStarted?.(pid);
    };
    const words: string[] = [];
    const worker = spawner.spawn();
    process = worker;
    const readyTimer = setTimeout(() => {
      const reason = `it sent nothing for ${patience / 1000} s`;
      outcome ??= failed(new SecateurError('worker-not-ready', { reason }));
      stop();
    }, patience);

    worker.onLine((line) => {
      words.push(line);
      if (words.length > LAST_WORDS) words.shift();
      options.onLog?.(line);
    });
    worker.onFrame((frame) => {
      // A late frame changes nothing once the outcome is known or the task was cancelled.
      if (outcome || cancelled || !isFrame(frame)) return;
      if (frame.type === 'ready') {
        ready = true;
        clearTimeout(readyTimer);
        started(frame.pid);
        const { id, task, input, home } = options;
        worker.send({ type: 'start', id, task, input, home });
      } else if (frame.type === 'progress') options.onProgress?.(frame.progress);
      else if (frame.type === 'log') options.onLog?.(frame.line);
      else if (frame.type === 'point') options.onPoint?.(frame.point);
      else if (frame.type === 'text') options.onText?.(frame.text);
      else if (frame.type === 'inSubprocess') void runApart(frame);
      else {
        outcome =
          frame.type === 'result' ? { kind: 'done', value: frame.value } : { kind: 'failed', error: frame.error };
        worker.send({ type: 'stop' });
        // The result has arrived; a worker that cannot end by itself must not delay it.
        killTimer ??= setTimeout(() => worker.kill('SIGKILL'), 5000);
      }
    });
    const runApart = async ({ call, task, input }: Extract<WorkerFrame, { type: 'inSubprocess' }>): Promise<void> => {
      const { id, home } = options;
      const running = runTask(spawner, { id, task, input, home, readyTimeoutMs: patience });
      children.add(running);
      const ended = await running.done;
      children.delete(running);
      worker.send({
        type: 'inSubprocess',
        call,
        outcome: ended.kind === 'done' ? ended : { kind: 'failed', error: ended.error },
      });
    };
    worker.onExit((exit, failure) => {
      clearTimeout(readyTimer);
      clearTimeout(killTimer);
      // A result that arrived before the cancel is kept.
      if (!outcome && cancelled) {
        const error = new SecateurError('cancelled', { job: options.id }).toPayload();
        outcome = { kind: 'cancelled', error };
      }
      const last = outcome ?? failed(deathOf(exit, failure, ready, words, options.task));
      // No one waits for the requested subtasks any more.
      for (const task of children) task.cancel();
      void Promise.all([...children].map((task) => task.done)).then(() => resolve(last));
    });
    started(worker.pid);
  });

  return {
    done,
    cancel: () => {
      if (cancelled) return;
      cancelled = true;
      stop();
    },
  };
}

function failed(e: SecateurError): Outcome {
  return { kind: 'failed', error: e.toPayload() };
}

function isFrame(frame: unknown): frame is WorkerFrame {
  return typeof frame === 'object' && frame !== null && 'type' in frame;
}
