/** Progress of a job for the Run step: the stages that ran, and the time left. */
import type { JobDetail } from '../../shared/contract/routes.ts';
import type { CompressReport } from '../../shared/model/job.ts';

export interface StageRow {
  readonly name: string;
  /** 'skipped': the job continued, or ended, without the stage. */
  readonly state: 'open' | 'now' | 'done' | 'skipped';
  /** True while the stage runs; a stage that runs again keeps the state 'done'. */
  readonly now: boolean;
}

type Course = Pick<JobDetail, 'status' | 'progress'>;

/** `order`: all stages, in order. Only stages that ran are 'done'. */
export function stageRows(order: readonly string[], job: Course | null, report: CompressReport | null): StageRow[] {
  const ended = job !== null && !['queued', 'running'].includes(job.status);
  const ran = new Set([...(job?.progress?.finished ?? []), ...Object.keys(report?.seconds ?? {})]);
  const at = ended ? -1 : order.indexOf(job?.progress?.stage ?? '');
  const last = Math.max(at, ...[...ran].map((name) => order.indexOf(name)));
  return order.map((name, i) => {
    if (ran.has(name)) return { name, state: 'done', now: i === at };
    if (i === at) return { name, state: 'now', now: true };
    return { name, state: i < last || (ended && job.status === 'done') ? 'skipped' : 'open', now: false };
  });
}

/**
 * Milliseconds left at `now`, counted down from the estimate received at `heardAt`; never below a
 * second.
 */
export function timeLeft(etaMs: number | null, heardAt: number, now: number): number | null {
  return etaMs === null ? null : Math.max(1000, etaMs - Math.max(0, now - heardAt));
}
