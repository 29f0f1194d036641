/**
 * Data of a finished job for the window's sliders: times and costs at every width, and samples of
 * the user's data.
 */
import { existsSync } from 'node:fs';
import type { CompressReport, CompressRequest } from '../../shared/model/job.ts';
import type { ReviewRequest } from '../../shared/model/tasks.ts';
import type { ReviewData } from '../../shared/model/window.ts';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Model } from '../engine/ir/model.ts';
import { storeLatencyModel } from '../engine/latency/stored.ts';
import { goneNodes, isGone, type Space, type State } from '../engine/allocation/state.ts';
import { localDevice } from '../runtime/device.ts';
import { openModelFile } from '../storage/model-files.ts';
import { sampleLimits } from '../pipeline/search/sample-limits.ts';
import { reportedBaseline } from '../pipeline/measure/baseline.ts';
import { drawCalibration } from '../pipeline/prepare/calibration.ts';
import type { StageContext } from '../pipeline/context.ts';
import { curvatureCosts, type CurvatureCosts } from '../pipeline/search/curvature-costs.ts';
import { openData, type JobData } from '../pipeline/prepare/job-data.ts';
import { limitLeaves, recipeLeaves, seedLeaf, threadsLeaf } from '../pipeline/leaves.ts';
import type { Keyed } from '../pipeline/stage.ts';
import { latencyStage } from '../pipeline/measure/latency-stage.ts';
import { loadWithHash } from '../pipeline/prepare/load.ts';
import { withMeanings } from '../pipeline/prepare/readings.ts';
import { reduceTokens } from '../pipeline/reduce-tokens.ts';
import { samplePredictions } from './sample-predictions.ts';
import { sized } from '../pipeline/prepare/sized.ts';
import { openJobModel } from '../pipeline/prepare/open-model.ts';
import { openComponent } from '../pipeline/open-component.ts';
import type { JobRequest } from '../pipeline/open-job.ts';
import { withPhases } from '../pipeline/measure/phases.ts';
import type { Prepared } from '../pipeline/prepare/prepare.ts';
import type { Structure } from '../engine/structures/contract.ts';
import { resolveRecipe } from '../pipeline/search/resolve-recipe.ts';
import { operatorsByTime } from './profile.ts';
import { scoresStage, type CompleteScores } from '../pipeline/search/scores.ts';
import { openSpace } from '../engine/allocation/space.ts';

const COST = 'predicting latency over widths';

/**
 * Throws the errors of opening the model. Without the job's data, costs come from random inputs and
 * no samples are shown.
 */
export async function runReview({ request: asked, report }: ReviewRequest, ctx: StageContext): Promise<ReviewData> {
  const given = asRun(asked);
  ctx.progress({ stage: 'load', message: 'reading the model', done: 0 });
  const file = await loadWithHash(given.model);
  const data = await dataOf(given, file.model, ctx);
  try {
    const loaded = await sized(file, { ...given, batch: given.budget.batch, shapes: data.shapes }, ctx);
    const { model } = loaded;
    const { batch, sizes: dims } = loaded.sizes;
    const request = { ...given, dims, budget: { ...given.budget, batch } };
    const { source, prepared: bare } = await openJobModel(loaded, ctx);
    const from = { model: source.value, path: request.model, dataset: data.dataset, given: request.outputs, batch };
    const whole = await withMeanings(bare, from, ctx);
    const schedule = report.tokens?.schedule;
    // With fewer tokens, widths cost and take what they do in the model with fewer tokens.
    const inputs = { source, prepared: whole, samples: data.samples, seed: seedLeaf(request), threads: threadsLeaf(localDevice().cores) }; // prettier-ignore
    const recipe = resolveRecipe(request.recipe, whole.value, data.dataset !== null);
    const read = schedule ? await reduceTokens(inputs, { schedule, recipe, batch }, ctx) : whole;
    const prepared = read.value;
    const baselineMs = report.baseline.p50Ms;
    const { budget } = request;
    const timed = await withPhases(schedule ? read : bare, given.phases);
    const baseline = reportedBaseline({ prepared: timed, budget, baselineMs, ...phaseTimes(report) }, ctx);
    ctx.progress({ stage: 'latency', message: 'timing operators', done: 0 });
    const latency = await latencyStage({ prepared: timed, budget, baseline }, ctx);
    const job = sourcesOf({ request, source, prepared: read, data }, ctx);
    const scored = await job.scores();
    const { structures } = prepared;
    const { space } = openSpace(structures, scored.value.scores, latency.counts, latency.model, request.recipe);
    const gone = goneNodes(space, stateOf(structures, report));
    const left = new Set(latency.model.unitsLeft(gone));
    const stored = storeLatencyModel(latency.model, latency.counts, [...prepared.model.graph.nodes()]).units;
    ctx.progress({ stage: 'cost', message: COST, done: 0 });
    const rows = rowsOf(space, report).filter(({ structure }) => !isGone(structure, gone));
    const price = await job.price(space, rows, scored);
    ctx.progress({ stage: 'samples', message: 'running samples before and after', done: 0 });
    // The bundle may have been moved meanwhile.
    const pruned = report.model !== null && existsSync(report.model) ? openModelFile(report.model) : null;
    if (pruned) pruned.sizes = model.sizes;
    const samples =
      pruned && data.dataset
        ? await samplePredictions(
            { model, path: request.model, pruned, dataset: data.dataset, from: data.quality, given: request.outputs },
            ctx.executor,
          )
        : [];
    const operators = pruned ? await operatorsByTime(pruned, request.budget) : [];
    ctx.progress({ stage: 'samples', message: 'done', done: 1 });
    return {
      baselineMs,
      budgetMs: report.budgetMs,
      units: stored.filter((_, i) => left.has(latency.model.tables[i]!)),
      ...latency.model.correction,
      groups: rows.map(({ structure: s, kept, counts }) => ({
        id: s.id,
        units: s.units,
        kept,
        counts,
        costs: price ? counts.map((k) => price(s, k)) : [],
      })),
      samples,
      operators,
    };
  } finally {
    await data.dataset?.close();
  }
}

/** The request as the job ran it: a component of a package at its own sizes and in its phases. */
const asRun = ({ part, ...request }: CompressRequest): JobRequest =>
  part ? openComponent({ ...request, part }).own : request;

/** The phases of the component, with the milliseconds per run from the report. */
const phaseTimes = ({ workload }: CompressReport): { phaseMs?: readonly number[] } => {
  const own = workload?.phases.filter((p) => p.component === workload.component);
  return own ? { phaseMs: own.map((p) => p.beforeMs / p.weight) } : {};
};

/** When the data are missing or unreadable, the review has no samples. */
async function dataOf(request: CompressRequest, model: Model, ctx: Pick<StageContext, 'memo'>): Promise<JobData> {
  try {
    return await openData(request, model, ctx);
  } catch (e) {
    if (!(e instanceof SecateurError)) throw e;
    const { data: _, ...rest } = request;
    return openData(rest, model, ctx);
  }
}

/** The levels stated in a report. */
const stateOf = (structures: readonly Structure[], { groups, blocksRemoved }: CompressReport): State =>
  new Map([
    ...groups.filter((g) => g.kept < g.units).map((g) => [g.id, g.kept] as const),
    ...structures.filter((s) => s.units === 1 && blocksRemoved.includes(s.name)).map((s) => [s.id, 0] as const),
  ]);

/**
 * The structures that a slider can narrow, with the selectable counts: those of the allocator, the
 * full width and the job's kept count.
 */
function rowsOf(space: Space, report: CompressReport) {
  const kept = new Map(report.groups.map((g) => [g.id, g.kept]));
  return space.structures
    .filter((s) => s.axes)
    .map((structure) => {
      const { id, units } = structure;
      const now = kept.get(id) ?? units;
      const counts = [...new Set([...(space.levels.get(id) ?? []), now, units])].sort((a, b) => a - b);
      return { structure, kept: now, counts };
    });
}

/** Scores and costs under the keys of the job; they are computed only when they are missing. */
function sourcesOf(
  o: {
    readonly request: CompressRequest;
    readonly source: Keyed<Model>;
    readonly prepared: Keyed<Prepared>;
    readonly data: JobData;
  },
  ctx: StageContext,
) {
  const { request, prepared, data } = o;
  const recipe = recipeLeaves(resolveRecipe(request.recipe, prepared.value, data.dataset !== null));
  const limits = limitLeaves(sampleLimits(prepared.value, recipe.calibrationSamples.value));
  const inputs = { ...o, samples: data.samples, seed: seedLeaf(request), threads: threadsLeaf(localDevice().cores) };
  const calibration = drawCalibration.later({ ...inputs, count: limits.calibration, size: limits.batch }, ctx);
  return {
    scores: () => scoresStage({ ...inputs, calibration, criterion: recipe.criterion }, ctx),
    /** Null when the model has no gradient. */
    price: async (
      space: Space,
      rows: ReturnType<typeof rowsOf>,
      scored: Keyed<CompleteScores>,
    ): Promise<CurvatureCosts | null> => {
      const wanted = rows.flatMap(({ structure, counts }) => counts.map((level) => ({ structure, level })));
      const onProgress = (done: number): void => ctx.progress({ stage: 'cost', message: COST, done });
      const { compensation } = recipe;
      const given = { ...inputs, calibration, scored, compensation, probes: limits.probes };
      try {
        return await curvatureCosts(given, { space, wanted, onProgress }, ctx);
      } catch (e) {
        if (e instanceof SecateurError && e.code === 'gradient-unsupported') return null;
        throw e;
      }
    },
  };
}
