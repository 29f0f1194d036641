/**
 * Error codes after which the same job may succeed when it runs again: the cause lies outside its
 * request.
 */
import type { ErrorCode } from './errors.ts';
import type { JobStatus } from '../model/job-record.ts';

const PASSING: readonly ErrorCode[] = [
  'interrupted',
  'cancelled',
  'worker-died',
  'worker-crashed',
  'worker-not-ready',
  'model-replaced',
  'lfs-pointer',
  'file-unwritable',
  'home-unwritable',
  'database-unusable',
];

/**
 * True when resuming can help. A finished job, or one whose model, data or recipe was refused,
 * would end the same way again.
 */
export function canResume(job: {
  readonly status: JobStatus;
  readonly error: { readonly code: string } | null;
}): boolean {
  if (job.status === 'cancelled' || job.status === 'interrupted') return true;
  return job.status === 'failed' && job.error !== null && (PASSING as readonly string[]).includes(job.error.code);
}
