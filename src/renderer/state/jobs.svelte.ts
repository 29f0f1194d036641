/** The window's copy of the jobs: the list and the watched job, kept up to date by events. */
import { untrack } from 'svelte';
import { call, listen, payloadOf } from '../app/bridge.ts';
import type { ErrorPayload } from '../../shared/contract/errors.ts';
import type { Progress } from '../../shared/model/frames.ts';
import type { Events, JobDetail, JobSummary } from '../../shared/contract/routes.ts';

/** Number of log lines shown. */
const LINES = 500;

/** Adds the line or point of an event, unless the job already has it. */
function withLine(job: JobDetail, { seq, log, point }: Events['job']): JobDetail {
  if (seq === undefined || seq <= job.said) return job;
  return {
    ...job,
    said: seq,
    log: log === undefined ? job.log : [...job.log, log].slice(-LINES),
    points: point ? [...job.points, point] : job.points,
  };
}

class Jobs {
  list = $state.raw<readonly JobSummary[]>([]);
  paused = $state(false);
  loaded = $state(false);
  error = $state.raw<ErrorPayload | null>(null);
  detail = $state.raw<JobDetail | null>(null);
  /** Time of the last progress event of the watched job, unix ms. */
  heardAt = $state(0);
  #watching: string | null = null;
  #stale = false;
  /** Line and point events of the watched job. */
  #heardLately: Events['job'][] = [];
  /** The last reported progress; the database may hold older values. */
  #latest = new Map<string, Progress>();

  start(): void {
    listen('job', (e) => this.#heard(e));
    listen('jobs', () => this.#later());
    void this.refresh();
  }

  async refresh(): Promise<void> {
    try {
      const { jobs, paused } = await call('jobs.list', {});
      this.list = jobs.map((j) => ({ ...j, progress: this.#latest.get(j.id) ?? j.progress }));
      this.paused = paused;
      this.error = null;
    } catch (e) {
      this.error = payloadOf(e);
    }
    this.loaded = true;
  }

  /** Reloads everything after a time in which events were lost. */
  async resync(): Promise<void> {
    this.#latest.clear();
    this.#heardLately = [];
    await this.refresh();
    if (this.#watching !== null) await this.#fetch(this.#watching);
  }

  /**
   * Watches one job. It must not read reactive state, or an effect that calls it would run again
   * with every answer.
   */
  watch(id: string | null): void {
    untrack(() => void this.#watch(id));
  }

  async #watch(id: string | null): Promise<void> {
    this.#watching = id;
    this.#heardLately = [];
    if (this.detail?.id !== id) this.detail = null;
    if (id !== null) await this.#fetch(id);
  }

  get active(): JobSummary | undefined {
    return this.list.find((j) => j.status === 'running');
  }

  async #fetch(id: string): Promise<void> {
    try {
      const detail = await call('jobs.get', { id });
      if (this.#watching !== id) return;
      const progress = (detail.status === 'running' && this.#latest.get(id)) || detail.progress;
      this.heardAt = Date.now();
      // Events that arrived while the request was under way may be missing from the answer.
      this.detail = this.#heardLately.reduce(withLine, { ...detail, progress, log: detail.log.slice(-LINES) });
    } catch (e) {
      this.error = payloadOf(e);
    }
  }

  #heard(e: Events['job']): void {
    if (e.status !== 'running') this.#latest.delete(e.id);
    else if (e.progress) this.#latest.set(e.id, e.progress);
    const known = this.list.find((j) => j.id === e.id);
    if (!known) this.#later();
    else if (e.progress || e.status !== known.status)
      this.list = this.list.map((j) =>
        j.id === e.id ? { ...j, status: e.status, progress: e.progress ?? j.progress } : j,
      );
    if (e.id !== this.#watching) return;
    if (e.seq !== undefined) this.#heardLately = [...this.#heardLately.slice(-LINES), e];
    if (e.progress) this.heardAt = Date.now();
    if (!this.detail) return;
    const ended = !['queued', 'running'].includes(e.status);
    if (ended || e.status !== this.detail.status) void this.#fetch(e.id);
    const { detail } = this;
    this.detail = withLine({ ...detail, status: e.status, progress: e.progress ?? detail.progress }, e);
  }

  /** Merges many changes into one request. */
  #later(): void {
    if (this.#stale) return;
    this.#stale = true;
    setTimeout(() => {
      this.#stale = false;
      void this.refresh();
    }, 150);
  }
}

export const jobs = new Jobs();
