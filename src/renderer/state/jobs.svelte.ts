/** Jobs as the window knows them: the list, and the one that is looked at, kept up by events. */
import { call, listen, payloadOf } from '../app/bridge.ts';
import type { ErrorPayload } from '../../shared/contract/errors.ts';
import type { Events, JobDetail, JobSummary } from '../../shared/contract/routes.ts';

/** Lines of a log that are shown. */
const LINES = 500;

class Jobs {
  list = $state.raw<readonly JobSummary[]>([]);
  paused = $state(false);
  loaded = $state(false);
  error = $state.raw<ErrorPayload | null>(null);
  detail = $state.raw<JobDetail | null>(null);
  #watching: string | null = null;
  #stale = false;

  start(): void {
    listen('job', (e) => this.#heard(e));
    listen('jobs', () => this.#later());
    void this.refresh();
  }

  async refresh(): Promise<void> {
    try {
      const { jobs, paused } = await call('jobs.list', {});
      this.list = jobs;
      this.paused = paused;
      this.error = null;
    } catch (e) {
      this.error = payloadOf(e);
    }
    this.loaded = true;
  }

  /** Follows one job. */
  async watch(id: string | null): Promise<void> {
    this.#watching = id;
    if (this.detail?.id !== id) this.detail = null;
    if (id !== null) await this.#fetch(id);
  }

  get active(): JobSummary | undefined {
    return this.list.find((j) => j.status === 'running');
  }

  async #fetch(id: string): Promise<void> {
    try {
      const detail = await call('jobs.get', { id });
      if (this.#watching === id) this.detail = detail;
    } catch (e) {
      this.error = payloadOf(e);
    }
  }

  #heard(e: Events['job']): void {
    const known = this.list.find((j) => j.id === e.id);
    if (!known) this.#later();
    else if (e.progress || e.status !== known.status)
      this.list = this.list.map((j) =>
        j.id === e.id ? { ...j, status: e.status, progress: e.progress ?? j.progress } : j,
      );
    if (e.id !== this.#watching || !this.detail) return;
    const ended = !['queued', 'running'].includes(e.status);
    if (ended || e.status !== this.detail.status) void this.#fetch(e.id);
    const { log, points } = this.detail;
    this.detail = {
      ...this.detail,
      status: e.status,
      progress: e.progress ?? this.detail.progress,
      log: e.log === undefined ? log : [...log, e.log].slice(-LINES),
      points: e.point ? [...points, e.point] : points,
    };
  }

  /** Many changes, one question. */
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
