/** One component of a package pruned to a share of its own time, without recovery. */
import { SecateurError } from '../../shared/contract/errors.ts';
import { canResume } from '../../shared/contract/resumable.ts';
import type { PackageBudgetRequest } from '../../shared/model/package-budget.ts';
import type { Metric, Workload } from '../../shared/model/package.ts';
import { localDevice } from '../runtime/device.ts';
import { canonicalJson } from '../storage/canonical.ts';
import type { StageContext } from './context.ts';
import { jobLeaf } from './leaves.ts';
import type { Recorded } from './joint/record-inputs.ts';
import { timedPhases } from './measure/phases.ts';
import { withJob, type JobRequest } from './open-job.ts';
import { measureOriginal } from './open-search.ts';
import { declareResult } from './pack/declare-result.ts';
import { loadWithHash } from './prepare/load.ts';
import { searchPlan } from './search-plan.ts';
import { openBestSearch } from './token-search.ts';

export interface ComponentOptions {
  readonly request: PackageBudgetRequest;
  readonly component: string;
  readonly file: string;
  readonly workload: Workload;
  readonly metric: Metric;
  readonly recorded: Recorded;
}

/**
 * @param share of the component's time in the metric
 * @returns the file of the pruned component, or why there is none
 * @throws errors of `withJob`
 */
export async function componentLevel(
  { request, component, file, workload, metric, recorded }: ComponentOptions,
  share: number,
  ctx: StageContext,
): Promise<string | { readonly refused: string }> {
  const { budget, recipe, seed } = request;
  const phases = timedPhases(workload, metric, component);
  const own: JobRequest = {
    model: file,
    budget: { percentile: budget.percentile, batch: 1, threads: budget.threads, provider: budget.provider, ratio: share }, // prettier-ignore
    device: 'local',
    data: recorded.data,
    preprocess: recorded.preprocess,
    recipe: { ...recipe, tokens: 'none', recovery: { ...recipe.recovery, enabled: false, seconds: 0 } },
    out: '',
    seed,
    phases,
  };
  // A level is searched for once under the same conditions, so that another budget finds it again.
  const { sha256 } = await loadWithHash(file);
  const job = canonicalJson({
    level: component,
    sha256,
    share,
    phases,
    budget: own.budget,
    recipe: own.recipe,
    device: localDevice().id,
  });
  try {
    return await withJob(own, { ...ctx, job }, async (opened, within) => {
      const notes: string[] = [];
      const measured = await measureOriginal(opened, notes, within);
      const best = await openBestSearch(opened, measured, notes, within);
      if (best.missed) return { refused: best.missed.unreachable?.reason ?? 'no cut reaches this share of its time' };
      const { compensated } = await searchPlan(
        { ...best.search, search: jobLeaf(job, { ...best.search.search.value, looks: LOOKS }) },
        within,
      );
      const { source, loaded } = best.job;
      if (source === loaded.model) return compensated.value.path;
      return (await declareResult.run({ result: compensated, original: loaded.keyed }, within)).value.path;
    });
  } catch (e) {
    // Another component may still be pruned, unless the cause lies outside of this one.
    if (!(e instanceof SecateurError) || OUTSIDE.includes(e.code) || canResume({ status: 'failed', error: e })) throw e;
    return { refused: e.message };
  }
}

/** A level's time is measured later with the package, so that it need not meet its share closely. */
const LOOKS = 1;

const OUTSIDE: readonly string[] = ['internal', 'disk-full'];
