/**
 * A queue of tasks over worker processes. One task runs at a time by default, because a second one
 * would disturb measured latencies. Each run of a job has a generation; messages of older
 * generations are dropped.
 */
import { SecateurError } from '../../shared/contract/errors.ts';
import { runTask } from './host.ts';
import type { Outcome, RunningTask, TaskOptions } from './host.ts';
import type { WorkerSpawner } from './process.ts';

export interface PoolOptions {
  readonly spawner: WorkerSpawner;
  readonly home: string;
  readonly concurrency?: number;
}

export interface PoolTask extends Omit<TaskOptions, 'home'> {
  /**
   * Awaited when the task reaches the head of the queue, before its process starts. A catalogue
   * error thrown here ends the task.
   */
  readonly admit?: (cancelled: AbortSignal) => Promise<void>;
}

interface Entry {
  readonly task: PoolTask;
  readonly generation: number;
  readonly abort: AbortController;
  readonly resolve: (outcome: Outcome) => void;
  running?: RunningTask;
}

export class JobPool {
  readonly #options: PoolOptions;
  readonly #queue: Entry[] = [];
  readonly #active = new Map<string, Entry>();
  readonly #generations = new Map<string, number>();
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Queues a task. The promise resolves with its outcome and never rejects. A job can be in the pool only once. */
  run(task: PoolTask): Promise<Outcome> {
    if (this.#closed) return Promise.resolve(cancelledOutcome(task.id));
    if (this.#active.has(task.id) || this.#queue.some((e) => e.task.id === task.id)) {
      const error = new SecateurError('job-running', { job: task.id, pid: process.pid }).toPayload();
      return Promise.resolve({ kind: 'failed', error });
    }
    const generation = (this.#generations.get(task.id) ?? 0) + 1;
    this.#generations.set(task.id, generation);
    return new Promise((resolve) => {
      this.#queue.push({ task, generation, abort: new AbortController(), resolve });
      this.#next();
    });
  }

  /** Returns false when the job is not in this pool. */
  cancel(id: string): boolean {
    const waiting = this.#queue.findIndex((e) => e.task.id === id);
    if (waiting >= 0) {
      const [entry] = this.#queue.splice(waiting, 1);
      entry?.resolve(cancelledOutcome(id));
      return true;
    }
    const entry = this.#active.get(id);
    entry?.abort.abort();
    entry?.running?.cancel();
    return entry !== undefined;
  }

  /** Cancels all tasks and waits until their processes have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const entry of this.#queue.splice(0)) entry.resolve(cancelledOutcome(entry.task.id));
    const ends = [...this.#active.values()].flatMap((e) => (e.running ? [e.running.done] : []));
    for (const id of [...this.#active.keys()]) this.cancel(id);
    await Promise.all(ends);
  }

  #next(): void {
    if (this.#active.size >= (this.#options.concurrency ?? 1)) return;
    const entry = this.#queue.shift();
    if (!entry) return;
    this.#active.set(entry.task.id, entry);
    void this.#start(entry).then((outcome) => {
      this.#active.delete(entry.task.id);
      entry.resolve(outcome);
      this.#next();
    });
    this.#next();
  }

  async #start(entry: Entry): Promise<Outcome> {
    const { task } = entry;
    const current = (): boolean => this.#generations.get(task.id) === entry.generation && !entry.abort.signal.aborted;
    try {
      await task.admit?.(entry.abort.signal);
      if (entry.abort.signal.aborted) return cancelledOutcome(task.id);
      entry.running = runTask(this.#options.spawner, {
        ...task,
        home: this.#options.home,
        onProgress: (p) => void (current() && task.onProgress?.(p)),
        onPoint: (p) => void (current() && task.onPoint?.(p)),
        onText: (t) => void (current() && task.onText?.(t)),
      });
    } catch (e) {
      const error = SecateurError.from(e).toPayload();
      return error.code === 'cancelled' ? { kind: 'cancelled', error } : { kind: 'failed', error };
    }
    return entry.running.done;
  }
}

function cancelledOutcome(id: string): Outcome {
  return { kind: 'cancelled', error: new SecateurError('cancelled', { job: id }).toPayload() };
}
