/** The main job: from a model and a budget to a measured, recovered, packaged model. Composition of the stages. */
import { stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { CompressReport, CompressRequest } from '../../shared/model/job.ts';
import type { Model } from '../engine/ir/model.ts';
import { flatNote } from '../engine/latency/flat.ts';
import { planOf, predictMs, type State } from '../engine/allocation/state.ts';
import { meaningsKey, meaningsOf, type Meanings } from '../engine/quality/meaning.ts';
import { applyPlan, type Surgery } from '../engine/pruning/surgery.ts';
import { localDevice } from '../runtime/device.ts';
import { createExecutor } from '../runtime/executor.ts';
import { openModelFile, saveModelFile } from '../storage/model-files.ts';
import { acceptance } from '../engine/quality/acceptance.ts';
import { sampleLimits } from './search/sample-limits.ts';
import { baselineOf } from './measure/baseline.ts';
import { predictionBias } from './search/prediction-bias.ts';
import { writeBundle } from './pack/write-bundle.ts';
import { calibrationOf, draw, type Calibration } from './prepare/calibration.ts';
import type { StageContext } from './context.ts';
import { finalMeasure, remadeFrom } from './measure/final-measure.ts';
import { isWithin, type Candidate } from '../engine/allocation/fit-budget.ts';
import { resolveRecipe } from './search/resolve-recipe.ts';
import { holdBoxes, type Held } from './measure/hold-boxes.ts';
import { searchFloorIfRuined } from './floor-search.ts';
import { declareAs } from './prepare/free-batch.ts';
import { openJobModel } from './prepare/open-model.ts';
import { openData, type JobData } from './prepare/job-data.ts';
import { jobIdentity, type JobIdentity } from './job-identity.ts';
import { sized, type SizedModel } from './prepare/sized.ts';
import { recoverAndEvaluate } from './evaluate/judge-stage.ts';
import { latencyStage } from './measure/latency-stage.ts';
import { loadWithHash } from './prepare/load.ts';
import { firstLook } from './prepare/original-quality.ts';
import { withMeanings } from './prepare/readings.ts';
import { tidy, type Prepared } from './prepare/prepare.ts';
import { randomNotes } from './prepare/random-notes.ts';
import { requireSameModel } from './prepare/same-model.ts';
import { keptGroups, measureOf, reportHead, unreachable } from './evaluate/report.ts';
import { guardResult } from './pack/result-sizes.ts';
import { completeScores } from '../engine/criteria/complete-scores.ts';
import { cachedScores, scoreGroups } from './search/scores.ts';
import { leastMeasure, openPairedBenchmark, type PairedBenchmark } from './measure/paired-benchmark.ts';
import { guardCut } from './evaluate/second-sizes.ts';
import { threadsNote } from './measure/threads-note.ts';
import { stopwatch } from './stopwatch.ts';
import type { Keyed } from './stage.ts';
import { choosePlan } from './choose-plan.ts';
import { leastState, openSpace } from '../engine/allocation/space.ts';
import { withoutRules } from '../engine/pruning/without-rules.ts';

const ALREADY_MET = 'The original already meets the budget: nothing has to be removed.';

/** A prediction this far below the budget needs no measurement to be believed. */
const PLAIN = 0.75;
/** Samples that one of several plans is chosen by. */
const [LEAST_JUDGES, MOST_JUDGES] = [64, 512];

export async function runCompress(given: CompressRequest, ctx: StageContext): Promise<CompressReport> {
  const clock = stopwatch();
  ctx.progress({ stage: 'load', message: 'reading the model', done: 0 });
  const file = await loadWithHash(given.model);
  requireSameModel({ path: given.model, sha256: file.sha256 }, ctx);
  const data = await openData(given, file.model, ctx);
  try {
    const loaded = await sized(file, { ...given, batch: given.budget.batch, shapes: data.shapes }, ctx);
    const { batch, sizes: dims } = loaded.sizes;
    const request = { ...given, budget: { ...given.budget, batch }, dims };
    const { source, prepared: bare } = await openJobModel(loaded, ctx);
    const { dataset } = data;
    const from = { model: source.value, path: request.model, dataset, given: request.outputs, batch };
    const { value: prepared } = await withMeanings(bare, from, ctx);
    const meanings = meaningsOf(prepared);
    const warnings = await firstLook({ request, model: source.value, meanings, dataset }, ctx);
    clock.mark('load');
    const held = await holdBoxes(ctx, prepared.model, { dataset, batch });
    const beside = held.comparing(openPairedBenchmark(request, held.ctx, (m) => declareAs(m, loaded.model)));
    try {
      const recipe = resolveRecipe(request.recipe, prepared, dataset !== null);
      const parts = { loaded, source: source.value, bare, prepared, meanings, warnings, data, beside, clock, held };
      return await compressWith({ request: { ...request, recipe }, ...parts }, held.ctx);
    } finally {
      await beside.close();
    }
  } finally {
    await data.dataset?.close();
  }
}

interface Job {
  readonly request: CompressRequest;
  readonly loaded: SizedModel;
  /** The model that was given, at any batch size where it bears that: what data go through. */
  readonly source: Model;
  /** Without the readings of its outputs: what is only timed does not depend on them. */
  readonly bare: Keyed<Prepared>;
  readonly prepared: Prepared;
  readonly meanings: Meanings;
  /** What looked wrong with the original on the data. */
  readonly warnings: readonly string[];
  readonly data: JobData;
  readonly beside: PairedBenchmark;
  /** How a detector is run where it finds no boxes. */
  readonly held: Held;
  readonly clock: ReturnType<typeof stopwatch>;
}

async function compressWith(job: Job, ctx: StageContext): Promise<CompressReport> {
  const { request, loaded, source, prepared, data, beside, clock } = job;
  const { recipe, budget, seed } = request;
  const { compare } = beside;
  const threads = localDevice().cores;
  const notes = [
    ...threadsNote(budget.threads, request.threadsAsked),
    ...prepared.notes,
    ...withoutRules(prepared.model),
    ...(await randomNotes(loaded.model)),
    ...data.notes,
    ...loaded.notes,
  ];
  if (prepared.rewritten)
    notes.unshift(`${prepared.rewritten} shortcuts of Slice and Pad became 1x1 convolutions with the same result.`);

  ctx.progress({ stage: 'baseline', message: 'measuring the original', done: 0 });
  const first = await baselineOf({ prepared: job.bare, budget, compare }, ctx);
  const { baselineMs, spread } = first.value;
  beside.expect(baselineMs);
  const budgetRatio = budget.ratio ?? budget.ms! / (baselineMs * spread);
  if (budgetRatio >= 1) notes.unshift(ALREADY_MET);
  clock.mark('baseline');

  ctx.progress({ stage: 'latency', message: 'timing operators', done: 0 });
  const latency = await latencyStage(
    { prepared: job.bare, budget, baseline: first },
    { ...ctx, ...(job.held.sample && { sample: job.held.sample }) },
  );
  notes.push(...flatNote(latency.model.tables));
  clock.mark('latency');

  const samples = sampleLimits(prepared, recipe.calibrationSamples);
  const identityWith = (n: number): JobIdentity =>
    jobIdentity({
      request,
      sha256: job.bare.key,
      data: data.identity,
      samples: n,
      batch: samples.batch,
      threads,
      meanings: meaningsKey(job.meanings),
    });
  const identity = identityWith(samples.calibration);
  const chosen = draw(data.train, samples.calibration, seed);
  const calibration = await calibrationOf(source, data.dataset, chosen, samples.batch, seed);
  const more = samples.final > samples.calibration && data.dataset !== null;
  const drawnMore = (): Promise<Calibration> =>
    calibrationOf(source, data.dataset, draw(data.train, samples.final, seed), samples.batch, seed);
  const judge = recipe.plans > 1 ? await judgesOf(job, chosen, samples.batch) : null;
  const kept = await cachedScores({ ...identity, criterion: recipe.criterion }, prepared.analysis.groups, ctx, () =>
    scoreGroups(recipe.criterion, source, prepared, calibration, ctx, threads, seed),
  );
  const { groups } = prepared.analysis;
  const { scores, notes: unranked } = completeScores(groups, kept, recipe.criterion);
  notes.push(...unranked);
  const { space, start } = openSpace(groups, prepared.blocks, scores, latency.counts, latency.model, recipe);
  const cut = (s: State): Surgery =>
    applyPlan(prepared.model, prepared.facts, prepared.analysis, planOf(space, s, loaded.sha256), prepared.blocks);
  clock.mark('score');

  const common = reportHead(job, ctx);
  // Is the budget within reach at all? Said before any of the costly steps, and measured where it is not plain.
  const fastest = leastState(space, start);
  if (predictMs(space, fastest) > PLAIN * budgetRatio * baselineMs) {
    const { model: least } = cut(fastest);
    tidy(least);
    const smallest = await leastMeasure(least, compare, budgetRatio);
    if (!isWithin(smallest.ratio / budgetRatio)) {
      const what = { least, ratio: smallest.ratio, bestMs: smallest.pruned.p50Ms };
      return {
        ...common,
        ...(await unreachable(job, what)),
        budgetMs: budgetRatio * baselineMs * spread,
        baseline: await measureOf(loaded.model, loaded.bytes, smallest.original, null, job, ctx),
        seconds: clock.seconds(),
        notes,
      };
    }
  }

  const settling = {
    recipe,
    prepared,
    calibration,
    rankingSamples: samples.ranking,
    judge,
    final: more ? { calibration: drawnMore, identity: identityWith(samples.final) } : null,
    landingSamples: samples.landing,
    rounds: samples.rounds,
    probes: samples.probes,
    scores,
    space,
    start,
    cut,
    beside,
    baselineMs,
    budgetRatio,
    bias: predictionBias({ sha256: job.bare.key, budget, recipe, budgetRatio }, ctx),
    identity,
    threads,
    planOf: (s: State) => planOf(space, s, loaded.sha256),
    mark: clock.mark,
  };
  /** Null when the plan is the one that was measured before: nothing is measured until it passes. */
  const finish = async (missed: readonly Candidate[], before?: string) => {
    const settled = await choosePlan({ ...settling, missed }, ctx);
    if (settled.planHash === before) return null;
    await guardCut(prepared, settled.plan, ctx);
    const learned = await recoverAndEvaluate(job, settled.compensated, { identity, threads }, ctx);
    const { path, model: result } =
      source === loaded.model ? opened(learned.path, loaded.model) : await declared(job, learned.path, ctx);
    const sizes = await guardResult(prepared, result, ctx);
    const measuring = {
      original: request.model,
      result,
      budget,
      dims: request.dims,
      runs: recipe.latencyRuns,
      baselineMs,
    };
    return { settled, learned, path, result, sizes, final: await finalMeasure(measuring, ctx) };
  };
  let finished = (await finish([]))!;
  const { settled, final: missedBy } = finished;
  // A plan costs less than a result that is too slow, but not where minutes of recovery were spent on it. The other plan is
  // another model, with a measurement of its own.
  if (missedBy.latency.verdict !== 'met' && finished.learned.path === settled.compensated.path) {
    ctx.log(`${missedBy.share.toFixed(3)} of the budget (${missedBy.latency.verdict}): another plan is made`);
    clock.mark('measure');
    const ratio = remadeFrom(missedBy) * budgetRatio;
    const next = await finish([{ ...settled.chosen, ratio }], settled.planHash);
    if (next && (next.final.latency.verdict === 'met' || next.final.share < missedBy.share)) finished = next;
  }
  const { learned, path, result, sizes, final } = finished;
  const { budgetMs, latency: verdict } = final;
  const { plan } = finished.settled;
  notes.push(...learned.notes, ...final.notes, ...job.held.notes(), ...sizes.notes.map((n) => `Other sizes: ${n}.`));
  const bytes = (await stat(path)).size;
  const met = verdict.verdict === 'met';
  const judged = { original: learned.reference, result: learned.quality, floor: request.floor, met, meanings: job.meanings, budgetMs }; // prettier-ignore
  const search = { ...settling, chosen: finished.settled.chosen };
  const floorCut = await searchFloorIfRuined(
    job,
    search,
    { original: learned.reference, result: learned.quality },
    ctx,
  );
  const told = acceptance({ ...judged, latency: verdict, kept: floorCut });
  const report: CompressReport = {
    ...common,
    ...told,
    warnings: [...job.warnings, ...told.warnings],
    budgetMs,
    met,
    latency: verdict,
    baseline: await measureOf(loaded.model, loaded.bytes, final.original, learned.reference, job, ctx),
    result: await measureOf(result, bytes, final.pruned, learned.quality, job, ctx),
    compensated: learned.compensated,
    bundle: null,
    model: null,
    groups: keptGroups(space, plan),
    blocksRemoved: plan.blocks,
    seconds: clock.seconds(),
    notes,
  };
  clock.mark('measure');
  ctx.progress({ stage: 'bundle', message: 'writing the bundle', done: 0 });
  const bundle = await writeBundle({
    name: basename(request.model, extname(request.model)),
    outDir: request.out,
    modelPath: path,
    originalPath: request.model,
    report,
    plan,
    yardstickMs: final.yardstickMs,
    yardstickNoiseMs: final.yardstickNoiseMs,
    budget,
    device: localDevice(),
    preprocess: data.dataset?.preprocess ?? null,
    classNames: data.dataset?.classNames ?? null,
    dataset: data.dataset,
    sizes,
    dims: request.dims ?? {},
    seed,
    executor: createExecutor(),
  });
  clock.mark('bundle');
  ctx.progress({ stage: 'bundle', message: 'done', done: 1 });
  return { ...report, bundle: bundle.folder, model: bundle.model, seconds: clock.seconds() };
}

/** Samples that nothing else sees, which one of several plans is chosen by; null where too few are left. */
async function judgesOf(
  { request, source, data }: Job,
  chosen: readonly number[],
  batch: number,
): Promise<Calibration | null> {
  const seen = new Set(chosen);
  const left = data.train.filter((i) => !seen.has(i));
  if (!data.dataset || left.length < LEAST_JUDGES) return null;
  const indices = draw(left, MOST_JUDGES, request.seed);
  return calibrationOf(source, data.dataset, indices, batch, request.seed);
}

/** A model made of `like`, at the sizes that it runs at. */
function opened(path: string, like: Model): { path: string; model: Model } {
  const model = openModelFile(path);
  model.sizes = like.sizes;
  return { path, model };
}

/** The result with the inputs and outputs that the original declares: a fixed batch is fixed again. */
async function declared({ loaded }: Job, path: string, ctx: StageContext): Promise<{ path: string; model: Model }> {
  const dir = await ctx.artifact('result', { model: path }, (to) => {
    const model = openModelFile(path);
    declareAs(model, loaded.model);
    saveModelFile(model, join(to, 'model.onnx'));
    return Promise.resolve();
  });
  return opened(join(dir, 'model.onnx'), loaded.model);
}
