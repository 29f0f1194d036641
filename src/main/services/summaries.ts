/** Rows for the lists of jobs and bundles: a short form of a job's request and result. */
import type { CompressInput, JobSummary, ResultSummary } from '../../shared/contract/routes.ts';
import type { CompressReport } from '../../shared/model/job.ts';
import type { JobRecord } from '../../shared/model/job-record.ts';
import type { Budget } from '../../shared/model/types.ts';
import type { VerifyOutcome } from '../../shared/model/window.ts';

const shortBudget = ({ ms, ratio }: Budget): string => (ms !== undefined ? `${ms} ms` : `${ratio}x`);

/** The choices that distinguish compressions of one model. */
export function choicesOf({ budget, recipe }: Pick<CompressInput, 'budget' | 'recipe'>): {
  budget: string;
  recipe: string;
  widths: number;
} {
  return { budget: shortBudget(budget), recipe: recipe.name, widths: Object.keys(recipe.keep).length };
}

/** The package's component and the metric of the budget, for a job on a package. */
export const subjectOf = ({
  model,
  part,
}: Pick<CompressInput, 'model' | 'part'>): Pick<JobSummary, 'model' | 'part'> =>
  part ? { model: part.package, part: { component: part.component, metric: part.metric } } : { model };

export function resultOf(report: CompressReport): ResultSummary {
  const { met, accepted, reasons, unreachable, baseline, result, workload } = report;
  const latency = workload?.latency ?? report.latency;
  return {
    met,
    ...(accepted !== undefined && { accepted, reasons: reasons ?? [] }),
    ...(latency && { latency: { verdict: latency.verdict } }),
    ...(unreachable && { unreachable: { reason: unreachable.reason } }),
    qualityBefore: baseline.quality,
    quality: result?.quality ?? null,
    beforeMs: workload?.beforeMs ?? unreachable?.use?.beforeMs ?? baseline.p50Ms,
    afterMs: workload?.afterMs ?? result?.p50Ms ?? null,
  };
}

export function summaryOf(r: JobRecord): JobSummary {
  const request = r.request as Partial<CompressInput> & { original?: string; bundle?: string; package?: string };
  const { budget, recipe } = request;
  const done = r.status === 'done';
  const report = done && r.kind === 'compress' ? (r.result as CompressReport) : null;
  return {
    id: r.id,
    kind: r.kind,
    status: r.status,
    ...subjectOf({ ...request, model: request.model ?? request.original ?? request.bundle ?? request.package ?? '' }),
    ...(budget && recipe ? choicesOf({ budget, recipe }) : { budget: '', recipe: null, widths: 0 }),
    progress: r.progress,
    createdAt: r.createdAt,
    finishedAt: r.finishedAt,
    attempts: r.attempts,
    outcome: report && { ...resultOf(report), bundle: report.bundle },
    passed: done && r.kind === 'verify' ? (r.result as VerifyOutcome).ok : null,
    error: r.error,
  };
}
