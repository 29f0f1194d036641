/** The request of a job, for the window. Views of a job read it instead of the wizard's state. */
import type { CompressInput, JobDetail, JobSummary } from '../../shared/contract/routes.ts';
import type { CompressReport, CompressRequest } from '../../shared/model/job.ts';

type Detail = Pick<JobDetail, 'kind' | 'request'>;

/** Null for jobs of other kinds. */
export const requestOf = (job: Detail): CompressRequest | null =>
  job.kind === 'compress' ? (job.request as CompressRequest) : null;

/**
 * The same request with changes. The output folder is left out, since it holds the first job's
 * bundle.
 */
export function again(request: CompressRequest, change: Partial<CompressInput>): CompressInput {
  const { device: _device, out: _out, ...same } = request;
  return { ...same, ...change };
}

/** Groups whose width was set by hand, with the share of their units that is kept. */
export const widthsByHand = (request: CompressRequest): readonly (readonly [string, number])[] =>
  Object.entries(request.recipe.keep).sort(([a], [b]) => a.localeCompare(b));

/** The report of a compression that finished; null otherwise. */
export const reportOf = (job: Pick<JobDetail, 'kind' | 'status' | 'result'> | null): CompressReport | null =>
  job?.status === 'done' && job.kind === 'compress' ? (job.result as CompressReport) : null;

/** Returns the data that a page needs to show a job, or the reason why it cannot. */
export function pageOfJob(
  page: 'review' | 'export',
  job: Pick<JobSummary, 'kind' | 'status' | 'outcome'> | undefined,
): 'unfinished' | 'nothing' | null {
  if (!job || job.kind !== 'compress' || job.status !== 'done') return 'unfinished';
  return page === 'export' && !job.outcome?.bundle ? 'nothing' : null;
}
