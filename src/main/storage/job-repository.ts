/**
 * Jobs and the processes that run them. Every change of status is one conditional statement, so two processes never run
 * the same job, and a late report of a dead run changes nothing.
 */
import { randomBytes } from 'node:crypto';
import type { ErrorPayload } from '../../shared/contract/errors.ts';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Progress } from '../../shared/model/frames.ts';
import type { JobRecord, JobStatus } from '../../shared/model/job-record.ts';
import type { Database } from './database.ts';
import { isAlive, ownIdentity } from './process-identity.ts';
import type { ProcessIdentity } from './process-identity.ts';

interface Row {
  id: string;
  kind: string;
  request: string;
  status: JobStatus;
  owner_pid: number | null;
  owner_start: string | null;
  worker_pid: number | null;
  worker_start: string | null;
  cancel_requested: number;
  attempts: number;
  progress: string | null;
  result: string | null;
  error: string | null;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
}

export interface Owners {
  readonly owner: ProcessIdentity | null;
  readonly worker: ProcessIdentity | null;
}

export class JobRepository {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** A queued job that belongs to this process. */
  create(kind: string, request: unknown): JobRecord {
    const id = newJobId();
    const me = ownIdentity();
    this.#db
      .prepare<[string, string, string, number, string, number]>(
        `INSERT INTO jobs (id, kind, request, status, owner_pid, owner_start, created_at)
         VALUES (?, ?, ?, 'queued', ?, ?, ?)`,
      )
      .run(id, kind, JSON.stringify(request), me.pid, me.start, Date.now());
    return this.get(id);
  }

  /** @throws 'job-not-found' */
  get(id: string): JobRecord {
    return toRecord(this.#row(id));
  }

  /**
   * Accepts `last`, a whole id, or an unambiguous prefix of one.
   * @throws 'job-not-found'
   */
  find(idOrPrefix: string): JobRecord {
    if (idOrPrefix === 'last') {
      const row = this.#db.prepare<[], Row>('SELECT * FROM jobs ORDER BY created_at DESC, rowid DESC LIMIT 1').get();
      if (row) return toRecord(row);
    }
    const rows = this.#db
      .prepare<[string, number, string], Row>('SELECT * FROM jobs WHERE id = ? OR substr(id, 1, ?) = ? LIMIT 2')
      .all(idOrPrefix, idOrPrefix.length, idOrPrefix);
    const exact = rows.find((r) => r.id === idOrPrefix) ?? (rows.length === 1 ? rows[0] : undefined);
    if (!exact || idOrPrefix === '') throw new SecateurError('job-not-found', { id: idOrPrefix });
    return toRecord(exact);
  }

  /** Newest first. */
  list(limit = 100): JobRecord[] {
    return this.#db
      .prepare<[number], Row>('SELECT * FROM jobs ORDER BY created_at DESC, rowid DESC LIMIT ?')
      .all(limit)
      .map(toRecord);
  }

  owners(id: string): Owners {
    return ownersOf(this.#row(id));
  }

  /**
   * Sets a queued job of this process to `running`, unless another job that must run alone is running on this machine.
   * @returns the id of that other job, or null when the job was claimed
   */
  claim(id: string, alone: readonly string[]): string | null {
    const me = ownIdentity();
    return this.#db
      .transaction((): string | null => {
        this.reconcile();
        const row = this.#row(id);
        if (row.cancel_requested === 1) throw new SecateurError('cancelled', { job: id });
        if (alone.includes(row.kind)) {
          const marks = alone.map(() => '?').join(', ');
          const other = this.#db
            .prepare<string[], string>(
              `SELECT id FROM jobs WHERE status = 'running' AND id <> ? AND kind IN (${marks})`,
            )
            .pluck()
            .get(id, ...alone);
          if (other !== undefined) return other;
        }
        const done = this.#db
          .prepare<[number, string, number, string]>(
            `UPDATE jobs SET status = 'running', started_at = ?, finished_at = NULL, attempts = attempts + 1, error = NULL,
               result = NULL, progress = NULL, worker_pid = NULL, worker_start = NULL
             WHERE id = ? AND status = 'queued' AND owner_pid = ? AND owner_start = ? AND cancel_requested = 0`,
          )
          .run(Date.now(), id, me.pid, me.start);
        if (done.changes === 0) throw new SecateurError('cancelled', { job: id });
        return null;
      })
      .immediate();
  }

  /**
   * Puts an ended job back into the queue of this process.
   * @throws 'job-running' when a process runs it, 'job-done' when it is finished
   */
  requeue(id: string): JobRecord {
    const me = ownIdentity();
    this.#db
      .transaction(() => {
        this.reconcile();
        const row = this.#row(id);
        if (row.status === 'running' || row.status === 'queued') {
          throw new SecateurError('job-running', { job: id, pid: row.owner_pid });
        }
        if (row.status === 'done') throw new SecateurError('job-done', { job: id });
        this.#db
          .prepare<[number, string, string]>(
            `UPDATE jobs SET status = 'queued', owner_pid = ?, owner_start = ?, cancel_requested = 0, finished_at = NULL
             WHERE id = ?`,
          )
          .run(me.pid, me.start, id);
      })
      .immediate();
    return this.get(id);
  }

  setWorker(id: string, worker: ProcessIdentity): void {
    this.#db
      .prepare<[number, string, string]>(
        `UPDATE jobs SET worker_pid = ?, worker_start = ? WHERE id = ? AND status = 'running'`,
      )
      .run(worker.pid, worker.start, id);
  }

  setProgress(id: string, progress: Progress): void {
    this.#db
      .prepare<[string, string]>(`UPDATE jobs SET progress = ? WHERE id = ? AND status = 'running'`)
      .run(JSON.stringify(progress), id);
  }

  finish(
    id: string,
    end: { status: 'done'; result: unknown } | { status: 'failed' | 'cancelled' | 'interrupted'; error: ErrorPayload },
  ): void {
    const result = end.status === 'done' ? (JSON.stringify(end.result) ?? 'null') : null;
    const error = end.status === 'done' ? null : JSON.stringify(end.error);
    this.#db
      .prepare<[string, string | null, string | null, number, string]>(
        `UPDATE jobs SET status = ?, result = ?, error = ?, finished_at = ?, worker_pid = NULL, worker_start = NULL
         WHERE id = ? AND status IN ('queued', 'running')`,
      )
      .run(end.status, result, error, Date.now(), id);
  }

  /** @throws 'job-not-found', or 'job-under-way' while it is queued or running */
  delete(id: string): void {
    const gone = this.#db
      .prepare<[string]>(`DELETE FROM jobs WHERE id = ? AND status NOT IN ('queued', 'running')`)
      .run(id);
    if (gone.changes === 0) throw new SecateurError('job-under-way', { job: id, status: this.#row(id).status });
  }

  requestCancel(id: string): void {
    this.#db
      .prepare<[string]>(`UPDATE jobs SET cancel_requested = 1 WHERE id = ? AND status IN ('queued', 'running')`)
      .run(id);
  }

  cancelRequested(id: string): boolean {
    return this.#row(id).cancel_requested === 1;
  }

  /**
   * Sets jobs whose owner is dead to `interrupted`.
   * @returns their ids, with the workers that may have outlived the owner
   */
  reconcile(): { id: string; worker: ProcessIdentity | null }[] {
    const rows = this.#db.prepare<[], Row>(`SELECT * FROM jobs WHERE status IN ('queued', 'running')`).all();
    const dead: { id: string; worker: ProcessIdentity | null }[] = [];
    for (const row of rows) {
      const { owner, worker } = ownersOf(row);
      if (owner && isAlive(owner)) continue;
      const error = new SecateurError('interrupted', { job: row.id }).toPayload();
      // The owner is compared again: a resume in another process may have taken the job since it was read.
      const changed = this.#db
        .prepare<[string, number, string, number | null, string | null]>(
          `UPDATE jobs SET status = 'interrupted', error = ?, finished_at = ?
           WHERE id = ? AND status IN ('queued', 'running') AND owner_pid IS ? AND owner_start IS ?`,
        )
        .run(JSON.stringify(error), Date.now(), row.id, row.owner_pid, row.owner_start);
      if (changed.changes > 0) dead.push({ id: row.id, worker });
    }
    return dead;
  }

  #row(id: string): Row {
    const row = this.#db.prepare<[string], Row>('SELECT * FROM jobs WHERE id = ?').get(id);
    if (!row) throw new SecateurError('job-not-found', { id });
    return row;
  }
}

/** Sorts by time and can be read aloud: 20260131-142530-k3f9. */
function newJobId(): string {
  const stamp = new Date().toISOString().replace(/[-:]/g, '').slice(0, 15).replace('T', '-');
  return `${stamp}-${randomBytes(3).toString('hex')}`;
}

function ownersOf(row: Row): Owners {
  return {
    owner: row.owner_pid === null ? null : { pid: row.owner_pid, start: row.owner_start ?? '' },
    worker: row.worker_pid === null ? null : { pid: row.worker_pid, start: row.worker_start ?? '' },
  };
}

function toRecord(row: Row): JobRecord {
  const running = row.status === 'running' || row.status === 'queued';
  return {
    id: row.id,
    kind: row.kind,
    request: JSON.parse(row.request),
    status: row.status,
    ownerPid: running ? row.owner_pid : null,
    workerPid: running ? row.worker_pid : null,
    attempts: row.attempts,
    progress: row.progress === null ? null : (JSON.parse(row.progress) as Progress),
    result: row.result === null ? null : JSON.parse(row.result),
    error: row.error === null ? null : (JSON.parse(row.error) as ErrorPayload),
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
}
