/** The main job: from a model and a budget to a measured, recovered, packaged model. Composition of the stages. */
import { stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import type { CompressReport, CompressRequest } from '../../shared/model/job.ts';
import type { Plan } from '../../shared/model/types.ts';
import { isWithin, type Candidate } from '../engine/allocation/fit-budget.ts';
import { leastState, openSpace } from '../engine/allocation/space.ts';
import { planOf, predictMs, type State } from '../engine/allocation/state.ts';
import type { Model } from '../engine/ir/model.ts';
import { flatNote } from '../engine/latency/flat.ts';
import { applyPlan } from '../engine/pruning/surgery.ts';
import { withoutRules } from '../engine/pruning/without-rules.ts';
import { acceptance } from '../engine/quality/acceptance.ts';
import { localDevice } from '../runtime/device.ts';
import { createExecutor } from '../runtime/executor.ts';
import { openModelFile } from '../storage/model-files.ts';
import { choosePlan, type ChooseOptions } from './choose-plan.ts';
import type { StageContext } from './context.ts';
import { recoverAndEvaluate } from './evaluate/judge-stage.ts';
import { keptGroups, measureOf, reportHead, unreachable } from './evaluate/report.ts';
import { guardCut } from './evaluate/second-sizes.ts';
import { searchFloorIfRuined } from './floor-search.ts';
import { jobLeaf, limitLeaves } from './leaves.ts';
import { baselineOf } from './measure/baseline.ts';
import { finalMeasure, remadeFrom, type Final } from './measure/final-measure.ts';
import { latencyStage } from './measure/latency-stage.ts';
import { leastMeasure } from './measure/paired-benchmark.ts';
import { threadsNote } from './measure/threads-note.ts';
import { withJob, type Job } from './open-job.ts';
import { declareResult } from './pack/declare-result.ts';
import { guardResult, type ResultSizes } from './pack/result-sizes.ts';
import { writeBundle } from './pack/write-bundle.ts';
import { calibrationOf, draw, drawCalibration, type Calibration } from './prepare/calibration.ts';
import { tidy } from './prepare/prepare.ts';
import { randomNotes } from './prepare/random-notes.ts';
import { predictionBias } from './search/prediction-bias.ts';
import { sampleLimits } from './search/sample-limits.ts';
import { scoresStage } from './search/scores.ts';
import { now } from './stage.ts';

const ALREADY_MET = 'The original already meets the budget: nothing has to be removed.';

/** A prediction this far below the budget needs no measurement to be believed. */
const PLAIN = 0.75;
/** Samples that one of several plans is chosen by. */
const [LEAST_JUDGES, MOST_JUDGES] = [64, 512];

export const runCompress = (request: CompressRequest, ctx: StageContext): Promise<CompressReport> =>
  withJob(request, ctx, async (job, within) => {
    const notes = await notesOf(job);
    const measured = await measureOriginal(job, notes, within);
    const search = await openSearch(job, measured, notes, within);
    const missed = await missedByAll(job, measured, search, within);
    if (missed) return { ...missed, notes };
    const found = await findResult(job, measured, search, within);
    const report = await reportOf(job, { measured, search, found, notes }, within);
    return packed(job, found, report, within);
  });

async function notesOf({ request, prepared, loaded, data }: Job): Promise<string[]> {
  const { rewritten } = prepared;
  return [
    ...(rewritten ? [`${rewritten} shortcuts of Slice and Pad became 1x1 convolutions with the same result.`] : []),
    ...threadsNote(request.budget.threads, request.threadsAsked),
    ...prepared.notes,
    ...withoutRules(prepared.model),
    ...(await randomNotes(loaded.model)),
    ...data.notes,
    ...loaded.notes,
  ];
}

/** The original's latency, the budget as a share of it, and the latency model of what may be cut. */
async function measureOriginal(job: Job, notes: string[], ctx: StageContext) {
  const { inputs, beside, clock, held } = job;
  const { budget } = job.request;
  ctx.progress({ stage: 'baseline', message: 'measuring the original', done: 0 });
  const baseline = await baselineOf({ prepared: inputs.timed, budget, compare: beside.compare }, ctx);
  const { baselineMs, spread } = baseline.value;
  beside.expect(baselineMs);
  const budgetRatio = budget.ratio ?? budget.ms! / (baselineMs * spread);
  if (budgetRatio >= 1) notes.unshift(ALREADY_MET);
  clock.mark('baseline');
  ctx.progress({ stage: 'latency', message: 'timing operators', done: 0 });
  const timing = { ...ctx, ...(held.sample && { sample: held.sample }) };
  const latency = await latencyStage({ prepared: inputs.timed, budget, baseline }, timing);
  notes.push(...flatNote(latency.model.tables));
  clock.mark('latency');
  return { baselineMs, spread, budgetRatio, latency };
}
type MeasuredOriginal = Awaited<ReturnType<typeof measureOriginal>>;

/** The samples, the scores, and the space of plans with all that a search in it takes. */
async function openSearch(
  job: Job,
  { baselineMs, budgetRatio, latency }: MeasuredOriginal,
  notes: string[],
  ctx: StageContext,
): Promise<ChooseOptions> {
  const { request, inputs, prepared, data, beside, loaded, clock } = job;
  const { recipe, budget } = request;
  const counts = sampleLimits(prepared, recipe.calibrationSamples);
  const limits = limitLeaves(counts);
  const drawn = { ...inputs, size: limits.batch };
  const lazy = drawCalibration.later({ ...drawn, count: limits.calibration }, ctx);
  const more = counts.final > counts.calibration && data.dataset !== null;
  const calibration = await now(lazy);
  const judge = recipe.plans > 1 ? await judgesOf(job, counts) : null;
  const scored = await scoresStage({ ...inputs, calibration: lazy, criterion: inputs.recipe.criterion }, ctx);
  notes.push(...scored.value.notes);
  const { facts, analysis, blocks, model } = prepared;
  const { space, start } = openSpace(analysis.groups, blocks, scored.value.scores, latency.counts, latency.model, recipe); // prettier-ignore
  clock.mark('score');
  const plan = (s: State): Plan => planOf(space, s, loaded.sha256);
  const scope = {
    space,
    start,
    cut: (s: State) => applyPlan(model, facts, analysis, plan(s), blocks),
    compare: beside.compare,
    baselineMs,
    budgetRatio,
    bias: predictionBias({ prepared: inputs.timed, budget, recipe: inputs.recipe, budgetRatio }, ctx),
  };
  return {
    prepared: inputs.prepared,
    threads: inputs.threads,
    calibration,
    scored,
    allocation: inputs.recipe.allocation,
    compensation: inputs.recipe.compensation,
    ranking: limits.ranking,
    landing: limits.landing,
    probes: limits.probes,
    rounds: limits.rounds,
    search: jobLeaf(ctx.job, scope),
    plans: recipe.plans,
    judge,
    final: more ? drawCalibration.later({ ...drawn, count: limits.final }, ctx) : null,
    beside,
    planOf: plan,
    mark: clock.mark,
  };
}

/** Samples that nothing else sees, which one of several plans is chosen by; null where too few are left. */
async function judgesOf(
  { request, source, data }: Job,
  { calibration, batch }: { readonly calibration: number; readonly batch: number },
): Promise<Calibration | null> {
  const { seed } = request;
  const seen = new Set(draw(data.train, calibration, seed));
  const left = data.train.filter((i) => !seen.has(i));
  if (!data.dataset || left.length < LEAST_JUDGES) return null;
  return calibrationOf(source, data.dataset, draw(left, MOST_JUDGES, seed), batch, seed);
}

/**
 * The report where even the largest cut misses the budget, else null. It is found before any of the costly steps, and
 * measured where the prediction leaves it open.
 */
async function missedByAll(
  job: Job,
  { baselineMs, spread, budgetRatio }: MeasuredOriginal,
  { search }: ChooseOptions,
  ctx: StageContext,
): Promise<Omit<CompressReport, 'notes'> | null> {
  const { loaded, beside, clock } = job;
  const { space, start, cut } = search.value;
  const fastest = leastState(space, start);
  if (predictMs(space, fastest) <= PLAIN * budgetRatio * baselineMs) return null;
  const { model: least } = cut(fastest);
  tidy(least);
  const smallest = await leastMeasure(least, beside.compare, budgetRatio);
  if (isWithin(smallest.ratio / budgetRatio)) return null;
  return {
    ...reportHead(job, ctx),
    ...(await unreachable(job, { least, ratio: smallest.ratio, bestMs: smallest.pruned.p50Ms })),
    budgetMs: budgetRatio * baselineMs * spread,
    baseline: await measureOf(loaded.model, loaded.bytes, smallest.original, null, job, ctx),
    seconds: clock.seconds(),
  };
}

/** A plan, compensated, recovered, judged and measured as it will be shipped. */
interface Result {
  readonly plan: Plan;
  readonly planHash: string;
  readonly chosen: Candidate;
  readonly learned: Awaited<ReturnType<typeof recoverAndEvaluate>>;
  /** False where the result is the compensated model. */
  readonly recovered: boolean;
  readonly path: string;
  readonly model: Model;
  readonly sizes: ResultSizes;
  readonly final: Final;
}

/** A plan costs less than a result that is too slow, but not where minutes of recovery were spent on it. */
async function findResult(
  job: Job,
  { baselineMs, budgetRatio }: MeasuredOriginal,
  search: ChooseOptions,
  ctx: StageContext,
): Promise<Result> {
  const first = (await makeResult(job, baselineMs, search, ctx))!;
  const { final } = first;
  if (final.latency.verdict === 'met' || first.recovered) return first;
  ctx.log(`${final.share.toFixed(3)} of the budget (${final.latency.verdict}): another plan is made`);
  job.clock.mark('measure');
  const missed = [{ ...first.chosen, ratio: remadeFrom(final) * budgetRatio }];
  // The other plan is another model, with a measurement of its own.
  const next = await makeResult(job, baselineMs, { ...search, missed }, ctx, first.planHash);
  return next && (next.final.latency.verdict === 'met' || next.final.share < final.share) ? next : first;
}

/** @param before a plan that was measured: null where the search comes to it again */
async function makeResult(
  job: Job,
  baselineMs: number,
  search: ChooseOptions,
  ctx: StageContext,
  before?: string,
): Promise<Result | null> {
  const { request, inputs, loaded, source, prepared } = job;
  const { plan, planHash, chosen, compensated } = await choosePlan(search, ctx);
  if (planHash === before) return null;
  await guardCut(prepared, plan, ctx);
  const learned = await recoverAndEvaluate(job, compensated, inputs, ctx);
  const { path } =
    source === loaded.model
      ? learned.model.value
      : (await declareResult.run({ result: learned.model, original: loaded.keyed }, ctx)).value;
  const model = openModelFile(path);
  model.sizes = loaded.model.sizes;
  const sizes = await guardResult(prepared, model, ctx);
  const { budget, dims, recipe } = request;
  const measuring = { original: request.model, result: model, budget, dims, runs: recipe.latencyRuns, baselineMs };
  const final = await finalMeasure(measuring, ctx);
  const recovered = learned.model.key !== compensated.key;
  return { plan, planHash, chosen, learned, recovered, path, model, sizes, final };
}

async function reportOf(
  job: Job,
  o: {
    readonly measured: MeasuredOriginal;
    readonly search: ChooseOptions;
    readonly found: Result;
    readonly notes: string[];
  },
  ctx: StageContext,
): Promise<CompressReport> {
  const { request, loaded, clock } = job;
  const { found, search, notes } = o;
  const { plan, learned, final } = found;
  const { budgetMs, latency } = final;
  notes.push(...learned.notes, ...final.notes, ...job.held.notes());
  notes.push(...found.sizes.notes.map((n) => `Other sizes: ${n}.`));
  const met = latency.verdict === 'met';
  const quality = { original: learned.reference, result: learned.quality };
  const kept = await searchFloorIfRuined(job, { ...search, chosen: found.chosen }, quality, ctx);
  const told = acceptance({ ...quality, floor: request.floor, met, meanings: job.meanings, budgetMs, latency, kept });
  const report: CompressReport = {
    ...reportHead(job, ctx),
    ...told,
    warnings: [...job.warnings, ...told.warnings],
    budgetMs,
    met,
    latency,
    baseline: await measureOf(loaded.model, loaded.bytes, final.original, learned.reference, job, ctx),
    result: await measureOf(found.model, (await stat(found.path)).size, final.pruned, learned.quality, job, ctx),
    compensated: learned.compensated,
    bundle: null,
    model: null,
    groups: keptGroups(search.search.value.space, plan),
    blocksRemoved: plan.blocks,
    seconds: clock.seconds(),
    notes,
  };
  clock.mark('measure');
  return report;
}

/** The report with the bundle that it came in. */
async function packed(job: Job, found: Result, report: CompressReport, ctx: StageContext): Promise<CompressReport> {
  const { request, data, clock } = job;
  const { final, sizes } = found;
  ctx.progress({ stage: 'bundle', message: 'writing the bundle', done: 0 });
  const bundle = await writeBundle({
    name: basename(request.model, extname(request.model)),
    outDir: request.out,
    modelPath: found.path,
    originalPath: request.model,
    report,
    plan: found.plan,
    yardstickMs: final.yardstickMs,
    yardstickNoiseMs: final.yardstickNoiseMs,
    budget: request.budget,
    device: localDevice(),
    preprocess: data.dataset?.preprocess ?? null,
    classNames: data.dataset?.classNames ?? null,
    dataset: data.dataset,
    sizes,
    dims: request.dims ?? {},
    seed: request.seed,
    executor: createExecutor(),
  });
  clock.mark('bundle');
  ctx.progress({ stage: 'bundle', message: 'done', done: 1 });
  return { ...report, bundle: bundle.folder, model: bundle.model, seconds: clock.seconds() };
}
