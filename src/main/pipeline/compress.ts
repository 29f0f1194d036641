/**
 * The main job: from a model and a budget to a measured, recovered, packaged model. It composes the
 * stages.
 */
import { stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import type { CompressReport } from '../../shared/model/job.ts';
import { isWithin } from '../engine/allocation/fit-budget.ts';
import { leastState } from '../engine/allocation/space.ts';
import { predictMs } from '../engine/allocation/state.ts';
import { keptUnits, removedWhole } from '../engine/structures/structure-info.ts';
import { withoutRules } from '../engine/structures/without-rules.ts';
import { acceptance } from '../engine/quality/acceptance.ts';
import { localDevice } from '../runtime/device.ts';
import { createExecutor } from '../runtime/executor.ts';
import type { StageContext } from './context.ts';
import { measureOf, reportHead, unreachable } from './evaluate/report.ts';
import { searchFloorIfRuined } from './floor-search.ts';
import { leastMeasure } from './measure/paired-benchmark.ts';
import { threadsNote } from './measure/threads-note.ts';
import { findResult, type Result } from './make-result.ts';
import { withJob, type Job, type JobRequest } from './open-job.ts';
import { measureOriginal, openSearch, type MeasuredOriginal } from './open-search.ts';
import { writeBundle } from './pack/write-bundle.ts';
import { tidy } from './prepare/prepare.ts';
import { randomNotes } from './prepare/random-notes.ts';
import type { SearchOptions } from './search-plan.ts';

/** A prediction below this share of the budget is accepted without a measurement. */
const PLAIN = 0.75;

/** A further judgement of a result before it is packed. @param model path of the result */
export type JudgeResult = (report: CompressReport, model: string) => Promise<CompressReport>;

export const runCompress = (
  request: JobRequest,
  ctx: StageContext,
  judge: JudgeResult = (report) => Promise.resolve(report),
): Promise<CompressReport> =>
  withJob(request, ctx, async (job, within) => {
    const notes = await notesOf(job);
    const measured = await measureOriginal(job, notes, within);
    const search = await openSearch(job, measured, notes, within);
    const missed = await missedByAll(job, measured, search, within);
    if (missed) return { ...missed, notes };
    const found = await findResult(job, measured, search, within);
    const report = await reportOf(job, { measured, search, found, notes }, within);
    return packed(job, found, await judge(report, found.path), within);
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

/**
 * Returns the report when even the largest cut misses the budget, else null. Runs before all costly
 * steps, and measures only when the prediction is inconclusive.
 */
async function missedByAll(
  job: Job,
  { baselineMs, spread, budgetRatio }: MeasuredOriginal,
  { search }: SearchOptions,
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

async function reportOf(
  job: Job,
  o: {
    readonly measured: MeasuredOriginal;
    readonly search: SearchOptions;
    readonly found: Result;
    readonly notes: string[];
  },
  ctx: StageContext,
): Promise<CompressReport> {
  const { request, loaded, clock } = job;
  const { found, search, notes } = o;
  const { plan, learned, final } = found;
  const { budgetMs, latency } = final;
  if (found.chosen.limited) notes.push(limitedNote(request.recipe.allocationSeconds));
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
    groups: keptUnits(job.prepared.structures, plan),
    blocksRemoved: removedWhole(job.prepared.structures, plan),
    seconds: clock.seconds(),
    notes,
  };
  clock.mark('measure');
  return report;
}

/** Note for a search that ran out of time. */
const limitedNote = (seconds: number): string =>
  `Measuring the cost of plans took the ${seconds} s that the recipe allows. Further choices rest on estimates from what was measured by then. A higher allocationSeconds measures more.`;

/** Packs the result and returns the report with its bundle. */
async function packed(job: Job, found: Result, report: CompressReport, ctx: StageContext): Promise<CompressReport> {
  const { request, data, clock } = job;
  const { final, sizes } = found;
  ctx.progress({ stage: 'bundle', message: 'writing the bundle', done: 0 });
  const bundle = await writeBundle({
    name: request.part?.component ?? basename(request.model, extname(request.model)),
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
    phases: request.phases,
    seed: request.seed,
    executor: createExecutor(),
  });
  clock.mark('bundle');
  ctx.progress({ stage: 'bundle', message: 'done', done: 1 });
  return { ...report, bundle: bundle.folder, model: bundle.model, seconds: clock.seconds() };
}
