/** What a job was asked to do, for the window: what it shows of a job comes from here, never from the wizard's own state. */
import type { CompressInput, JobDetail, JobSummary } from '../../shared/contract/routes.ts';
import type { CompressReport, CompressRequest } from '../../shared/model/job.ts';

type Detail = Pick<JobDetail, 'kind' | 'request'>;

/** Null for jobs of other kinds. */
export const requestOf = (job: Detail): CompressRequest | null =>
  job.kind === 'compress' ? (job.request as CompressRequest) : null;

/** The same job again, changed in parts. Its folder is left out: that holds the first one's bundle. */
export function again(request: CompressRequest, change: Partial<CompressInput>): CompressInput {
  const { device: _device, out: _out, ...same } = request;
  return { ...same, ...change };
}

/** Groups whose width was set by hand, with the share of their units that they keep. */
export const widthsByHand = (request: CompressRequest): readonly (readonly [string, number])[] =>
  Object.entries(request.recipe.keep).sort(([a], [b]) => a.localeCompare(b));

/** The report of a compression that ran to its end; null otherwise. */
export const reportOf = (job: Pick<JobDetail, 'kind' | 'status' | 'result'> | null): CompressReport | null =>
  job?.status === 'done' && job.kind === 'compress' ? (job.result as CompressReport) : null;

/** What a page of a job needs to be shown, or what it lacks. */
export function pageOfJob(
  page: 'review' | 'export',
  job: Pick<JobSummary, 'kind' | 'status' | 'outcome'> | undefined,
): 'unfinished' | 'nothing' | null {
  if (!job || job.kind !== 'compress' || job.status !== 'done') return 'unfinished';
  return page === 'export' && !job.outcome?.bundle ? 'nothing' : null;
}
