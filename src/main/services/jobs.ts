/** Jobs as users see them: started, followed, cancelled, resumed; the database knows every step. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Candidate, Progress } from '../../shared/model/frames.ts';
import type { JobRecord, JobStatus } from '../../shared/model/job-record.ts';
import type { Outcome } from '../jobs/host.ts';
import type { JobPool } from '../jobs/pool.ts';
import type { JobLog } from '../storage/job-log.ts';
import type { JobRepository } from '../storage/job-repository.ts';
import { identityOf, isAlive, signal } from '../storage/process-identity.ts';

/** Number of jobs that the window lists. Their models and data may be named again. */
export const JOBS = 500;

/** Kinds that measure latency: only one such job runs on this machine at a time, whoever started it. */
const MEASURING = ['compress', 'bench', 'compare', 'verify', 'workload', 'tokens', 'package-budget'] as const;

/**
 * Short tasks that measure; they wait their turn like jobs. All other short tasks run beside a job.
 */
const MEASURING_TASKS: readonly string[] = [
  'coverage',
  'profile',
  'reach',
  'review',
  'token-times',
  'tokens',
  'workload',
];

const WAIT_MS = 300;
const PROGRESS_WRITE_MS = 500;

/** A change of a job. `progress` is null when the event does not concern it. */
export interface JobEvent {
  readonly id: string;
  readonly status: JobStatus;
  readonly progress: Progress | null;
  readonly log?: string;
  readonly point?: Candidate;
  /** Number of this line or point within its job, since this process started; it grows. */
  readonly seq?: number;
}

export interface JobListeners {
  readonly onProgress?: (progress: Progress) => void;
  readonly onLog?: (line: string) => void;
  /** Called for each plan measured during the search. */
  readonly onPoint?: (point: Candidate) => void;
  /** Called for each piece of the text that a short task writes. */
  readonly onText?: (piece: string) => void;
  /** Called when the job waits for another one to end. */
  readonly onWaiting?: (other: string) => void;
}

export interface JobHandle {
  readonly id: string;
  /** Never rejects. */
  readonly done: Promise<Outcome>;
  cancel(): void;
}

export class JobService {
  readonly #jobs: JobRepository;
  readonly #pool: JobPool;
  readonly #quick: JobPool;
  readonly #pending = new Set<Promise<Outcome>>();
  readonly #watchers = new Set<(event: JobEvent) => void>();
  readonly #records: JobLog | undefined;
  /** Number of lines and points reported per job. */
  readonly #said = new Map<string, number>();
  /** Progress of the jobs that this process runs; the database is updated less often. */
  readonly #live = new Map<string, Progress>();
  #paused = false;

  /** @param quick pool for tasks that do not measure, so that they need not wait for a job */
  constructor(jobs: JobRepository, pool: JobPool, quick: JobPool = pool, log?: JobLog) {
    this.#jobs = jobs;
    this.#pool = pool;
    this.#quick = quick;
    this.#records = log;
  }

  /** Registers a listener for every step of every job of this process. */
  watch(listener: (event: JobEvent) => void): () => void {
    this.#watchers.add(listener);
    return () => void this.#watchers.delete(listener);
  }

  /** While true, queued jobs stay queued; the running job continues. */
  get paused(): boolean {
    return this.#paused;
  }
  set paused(value: boolean) {
    this.#paused = value;
  }

  /** The log lines and measured points of a job, over all its runs. */
  story(id: string): { log: string[]; points: Candidate[]; said: number } {
    return { ...(this.#records?.read(id) ?? { log: [], points: [] }), said: this.#said.get(id) ?? 0 };
  }

  /** The requests of all listed jobs. */
  requests(): unknown[] {
    return this.#jobs.list(Number.MAX_SAFE_INTEGER).map((j) => j.request);
  }

  /** Deletes an ended job; its bundle stays. Throws `job-not-found` or `job-under-way`. */
  delete(id: string): void {
    this.#jobs.reconcile();
    this.#jobs.delete(id);
    this.#records?.remove(id);
    this.#tell({ id, status: 'cancelled', progress: null });
  }

  /**
   * Reports a line or a point with its number, so that a client that reads the story and receives
   * events counts none twice.
   */
  #say(id: string, what: { log: string } | { point: Candidate }): void {
    this.#records?.append(id, what);
    const seq = (this.#said.get(id) ?? 0) + 1;
    this.#said.set(id, seq);
    this.#tell({ id, status: 'running', progress: null, ...what, seq });
  }

  #tell(event: JobEvent): void {
    for (const listener of this.#watchers) listener(event);
  }

  /** Starts a recorded job. `kind` is the task's name in the worker. */
  start(kind: string, request: unknown, listeners: JobListeners = {}): JobHandle {
    return this.#launch(this.#jobs.create(kind, request), listeners);
  }

  /**
   * Runs a short task that leaves no record. Aborting `abandoned` ends its process, and this throws
   * `cancelled`.
   */
  async run<T>(task: string, input: unknown, listeners: JobListeners = {}, abandoned?: AbortSignal): Promise<T> {
    const handle = this.transient(task, input, listeners);
    const cancel = (): void => handle.cancel();
    abandoned?.addEventListener('abort', cancel, { once: true });
    if (abandoned?.aborted) cancel();
    try {
      return valueOf(await handle.done) as T;
    } finally {
      abandoned?.removeEventListener('abort', cancel);
    }
  }

  transient(task: string, input: unknown, listeners: JobListeners = {}): JobHandle {
    const id = `${task}-${process.pid}-${++transientCount}`;
    const { onProgress, onLog, onText } = listeners;
    const pool = MEASURING_TASKS.includes(task) ? this.#pool : this.#quick;
    const done = pool.run({
      id,
      task,
      input,
      ...(onProgress && { onProgress }),
      ...(onLog && { onLog }),
      ...(onText && { onText }),
    });
    return { id, done, cancel: () => void pool.cancel(id) };
  }

  /**
   * Runs a failed, cancelled or interrupted job again. Finished stages come from the artifact
   * store.
   */
  async resume(idOrPrefix: string, listeners: JobListeners = {}): Promise<JobHandle> {
    const { id } = this.#jobs.find(idOrPrefix);
    const record = await this.#requeue(id);
    const { worker } = this.#jobs.owners(id);
    // The worker of a killed host ends by itself, but perhaps not before its current run ends.
    while (worker && signal(worker, 'SIGKILL')) await sleep(50);
    return this.#launch(record, listeners);
  }

  list(limit?: number): JobRecord[] {
    this.#jobs.reconcile();
    return this.#jobs.list(limit).map((r) => this.#current(r));
  }

  show(idOrPrefix: string): JobRecord {
    this.#jobs.reconcile();
    return this.#current(this.#jobs.find(idOrPrefix));
  }

  #current(r: JobRecord): JobRecord {
    return r.status === 'running' ? { ...r, progress: this.#live.get(r.id) ?? r.progress } : r;
  }

  /**
   * Cancels a job, even one that another process runs, and resolves when it has ended. Throws
   * `job-not-running`.
   */
  async cancel(idOrPrefix: string): Promise<JobRecord> {
    this.#jobs.reconcile();
    const { id, status } = this.#jobs.find(idOrPrefix);
    if (status !== 'queued' && status !== 'running') throw new SecateurError('job-not-running', { job: id, status });
    this.#jobs.requestCancel(id);
    this.#pool.cancel(id);
    const start = Date.now();
    for (;;) {
      const { owner, worker } = this.#jobs.owners(id);
      const now = this.#jobs.get(id);
      if (now.status !== 'queued' && now.status !== 'running') return now;
      if (worker) signal(worker, Date.now() - start > 3000 ? 'SIGKILL' : 'SIGTERM');
      if (!owner || !isAlive(owner)) {
        const error = new SecateurError('cancelled', { job: id }).toPayload();
        this.#jobs.finish(id, { status: 'cancelled', error });
        return this.#jobs.get(id);
      }
      await sleep(100);
    }
  }

  /** Resolves when the end of every job of this process is in the database. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending);
  }

  /** An owner that was just killed may take a moment to end. */
  async #requeue(id: string): Promise<JobRecord> {
    for (let tries = 0; ; tries++) {
      try {
        return this.#jobs.requeue(id);
      } catch (e) {
        if (!(e instanceof SecateurError) || e.code !== 'job-running' || tries >= 10) throw e;
        await sleep(100);
      }
    }
  }

  #launch(record: JobRecord, listeners: JobListeners): JobHandle {
    const { id, kind } = record;
    let lastWrite = 0;
    this.#tell({ id, status: 'queued', progress: null });
    const done = this.#pool
      .run({
        id,
        task: kind,
        input: record.request,
        admit: (cancelled) => this.#admit(id, cancelled, listeners),
        onStarted: (pid) => {
          this.#jobs.setWorker(id, identityOf(pid));
          // A cancel may have been requested between the claim and the start of the process.
          if (this.#jobs.cancelRequested(id)) this.#pool.cancel(id);
        },
        onProgress: (progress) => {
          listeners.onProgress?.(progress);
          this.#live.set(id, progress);
          this.#tell({ id, status: 'running', progress });
          const now = Date.now();
          if (now - lastWrite < PROGRESS_WRITE_MS) return;
          lastWrite = now;
          this.#jobs.setProgress(id, progress);
        },
        onLog: (line) => {
          listeners.onLog?.(line);
          this.#say(id, { log: line });
        },
        onPoint: (point) => {
          listeners.onPoint?.(point);
          this.#say(id, { point });
        },
      })
      .then((outcome) => this.#record(id, outcome));
    this.#pending.add(done);
    void done.finally(() => this.#pending.delete(done));
    return { id, done, cancel: () => void this.#pool.cancel(id) };
  }

  async #admit(id: string, cancelled: AbortSignal, listeners: JobListeners): Promise<void> {
    let told: string | null = null;
    for (;;) {
      if (cancelled.aborted) throw new SecateurError('cancelled', { job: id });
      const other: string | null = this.#paused ? told : this.#jobs.claim(id, MEASURING);
      if (other === null && !this.#paused) return;
      if (other !== null && other !== told) listeners.onWaiting?.(other);
      told = other;
      await sleep(WAIT_MS);
    }
  }

  #record(id: string, outcome: Outcome): Outcome {
    this.#live.delete(id);
    let end = outcome;
    if (end.kind === 'failed' && this.#jobs.cancelRequested(id)) {
      end = { kind: 'cancelled', error: new SecateurError('cancelled', { job: id }).toPayload() };
    }
    if (end.kind === 'done') this.#jobs.finish(id, { status: 'done', result: end.value });
    else this.#jobs.finish(id, { status: end.kind, error: end.error });
    this.#tell({ id, status: end.kind, progress: null });
    return end;
  }
}

let transientCount = 0;

/** Returns the value of a finished task, or throws its error. */
export function valueOf(outcome: Outcome): unknown {
  if (outcome.kind === 'done') return outcome.value;
  throw SecateurError.fromPayload(outcome.error);
}
