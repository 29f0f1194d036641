/**
 * How long a recipe may take for a model, from the jobs that this machine has finished. Nothing is promised where nothing
 * was measured.
 */
import type { JobEstimate } from '../../shared/contract/routes.ts';
import type { CompressReport, CompressRequest } from '../../shared/model/job.ts';
import type { JobRecord } from '../../shared/model/job-record.ts';
import { PRESETS } from '../../shared/model/recipes.ts';

/** Another model tells something where its work per run is within this factor of the model's own. */
const ALIKE = 10;

interface Past {
  readonly model: string;
  readonly recipe: string;
  readonly macs: number;
  /** Recovery is limited by the recipe, not by the model. */
  readonly recover: number;
  readonly rest: number;
}

/** @param macs of one run of the model */
export function estimatesFrom(jobs: readonly JobRecord[], model: string, macs: number): JobEstimate[] {
  const past = jobs.flatMap(pastOf);
  return Object.values(PRESETS).map(({ name, recovery }) => {
    const same = past.filter((p) => p.recipe === name);
    const own = same.filter((p) => p.model === model);
    // A job that found its stages in the store was quicker than the next one may be.
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
  // A budget out of reach ends a job early.
  if (!report.result) return [];
  const { recover = 0, ...others } = report.seconds;
  const rest = Object.values(others).reduce((a, b) => a + b, 0);
  return [{ model: request.model, recipe: request.recipe.name, macs: report.baseline.macs, recover, rest }];
}
