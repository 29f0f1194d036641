/**
 * The main job: from a model and a budget to a measured, recovered, packaged model. It composes the
 * stages.
 */
import { stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import type { CompressReport } from '../../shared/model/job.ts';
import { keptUnits, removedWhole } from '../engine/structures/structure-info.ts';
import { withoutRules } from '../engine/structures/without-rules.ts';
import { acceptance } from '../engine/quality/acceptance.ts';
import { localDevice } from '../runtime/device.ts';
import { createExecutor } from '../runtime/executor.ts';
import type { StageContext } from './context.ts';
import { measureOf, reportHead } from './evaluate/report.ts';
import { searchFloorIfRuined } from './floor-search.ts';
import { threadsNote } from './measure/threads-note.ts';
import { findResult, type Result } from './make-result.ts';
import { withJob, type Job, type JobRequest } from './open-job.ts';
import { measureOriginal } from './open-search.ts';
import { writeBundle } from './pack/write-bundle.ts';
import { randomNotes } from './prepare/random-notes.ts';
import { openBestSearch, type OpenedSearch } from './token-search.ts';

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
    const best = await openBestSearch(job, measured, notes, within);
    if (best.missed) return { ...best.missed, notes };
    const found = await findResult(best.job, best.measured, best.search, within);
    const report = await reportOf(best, { found, notes }, within);
    return packed(best.job, found, await judge(report, found.path), within);
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

async function reportOf(
  { job, search, tokens }: OpenedSearch,
  { found, notes }: { readonly found: Result; readonly notes: string[] },
  ctx: StageContext,
): Promise<CompressReport> {
  const { request, loaded, clock } = job;
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
    ...(tokens && { tokens }),
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
