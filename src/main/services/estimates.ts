/**
 * Estimates how long a recipe takes for a model, from the jobs finished on this machine. Without
 * measurements there is no estimate.
 */
import type { JobEstimate } from '../../shared/contract/routes.ts';
import type { CompressReport, CompressRequest } from '../../shared/model/job.ts';
import type { JobRecord } from '../../shared/model/job-record.ts';
import { PRESETS } from '../../shared/model/recipes.ts';

/** Another model is used for an estimate when its MACs are within this factor of the model's. */
const ALIKE = 10;

interface Past {
  readonly model: string;
  readonly recipe: string;
  readonly macs: number;
  /** Recovery time is limited by the recipe and does not depend on the model. */
  readonly recover: number;
  readonly rest: number;
}

/** @param macs MACs of one run of the model */
export function estimatesFrom(jobs: readonly JobRecord[], model: string, macs: number): JobEstimate[] {
  const past = jobs.flatMap(pastOf);
  return Object.values(PRESETS).map(({ name, recovery }) => {
    const same = past.filter((p) => p.recipe === name);
    const own = same.filter((p) => p.model === model);
    // A job that found its stages in the store was faster than the next one may be.
    if (own.length > 0)
      return { recipe: name, seconds: Math.max(...own.map((p) => p.rest + p.recover)), from: 'model' };
    const scaled = same
      .filter((p) => macs > 0 && p.macs > 0 && Math.max(p.macs / macs, macs / p.macs) <= ALIKE)
      .map((p) => p.rest * Math.max(1, macs / p.macs) + (recovery.enabled ? recovery.seconds : 0))
      .sort((a, b) => a - b);
    const middle = scaled[Math.floor(scaled.length / 2)];
    return middle === undefined
      ? { recipe: name, seconds: null, from: null }
      : { recipe: name, seconds: middle, from: 'others' };
  });
}

function pastOf(job: JobRecord): Past[] {
  if (job.kind !== 'compress' || job.status !== 'done') return [];
  const request = job.request as CompressRequest;
  const report = job.result as CompressReport;
  // A job whose budget is out of reach ends early.
  if (!report.result) return [];
  const { recover = 0, ...others } = report.seconds;
  const rest = Object.values(others).reduce((a, b) => a + b, 0);
  return [{ model: request.model, recipe: request.recipe.name, macs: report.baseline.macs, recover, rest }];
}
