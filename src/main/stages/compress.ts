/** The main job: from a model and a budget to a measured, recovered, packaged model. Composition of the stages. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { CompressReport, CompressRequest, ModelMeasure, Quality } from '../../shared/model/job.ts';
import type { LatencyStats, Plan } from '../../shared/model/types.ts';
import { modelCosts } from '../engine/ir/costs.ts';
import { elementCount } from '../engine/ir/dtype.ts';
import type { Model } from '../engine/ir/model.ts';
import { baselineState } from '../engine/pruning/allocation/baselines.ts';
import { GreedyPath, refill } from '../engine/pruning/allocation/greedy.ts';
import { planOf, predictMs, type State } from '../engine/pruning/allocation/state.ts';
import { compensate, type Fitted } from '../engine/pruning/compensation/sequential.ts';
import { LocalFits } from '../engine/pruning/compensation/local.ts';
import { featuresOf, type Feature } from '../engine/recovery/features.ts';
import { applyPlan, type Surgery } from '../engine/pruning/surgery.ts';
import { benchmark } from '../runtime/bench.ts';
import { localDevice, measuredHere } from '../runtime/device.ts';
import { createExecutor } from '../runtime/executor.ts';
import { collectFacts } from '../runtime/facts.ts';
import { buildLatencyModel } from '../runtime/latency-model.ts';
import { profileModel } from '../runtime/profile.ts';
import { openModelFile, saveModelFile } from '../storage/model-files.ts';
import { writeBundle } from './bundle.ts';
import { calibrationOf, draw, firstSamples } from './calibration.ts';
import type { StageContext } from './context.ts';
import { createEvaluator } from './evaluate.ts';
import { familyOf } from './family.ts';
import { fitBudget, keyOf, stateOf } from './fit.ts';
import { groupInfo } from './inspect.ts';
import { openData } from './job-data.ts';
import { loadWithHash } from './load.ts';
import { prepare, tidy, type Prepared } from './prepare.ts';
import { recoverStage } from './recover-stage.ts';
import { scoreGroups } from './scores.ts';
import { openCutChange, openOutputChange } from './sensitivity.ts';
import { openSpace } from './space.ts';

/** Samples that rank plans, at most, and multiply-accumulates of one such run; compensation uses all samples. */
const SENSITIVITY_SAMPLES = 192;
const SENSITIVITY_MACS = 1.2e10;
/** Samples that the refits behind a plan that is only tried learn from. */
const FIT_SAMPLES = 512;
/** Models with fewer parameters are cut for every plan that is tried; larger ones get gates. */
const CUT_BELOW = 8e6;

export async function runCompress(request: CompressRequest, ctx: StageContext): Promise<CompressReport> {
  const clock = stopwatch();
  const { recipe, budget, seed } = request;
  const notes: string[] = [];
  const threads = budget.threads;
  const workThreads = localDevice().cores;

  ctx.progress({ stage: 'load', message: 'reading the model', done: 0 });
  const loaded = await loadWithHash(request.model);
  const prepared = await prepare(loaded.model, ctx, budget.batch);
  if (prepared.rewritten)
    notes.push(`${prepared.rewritten} shortcuts of Slice and Pad became 1x1 convolutions with the same result.`);
  const data = await openData(request, loaded.model);
  notes.push(...data.notes);
  try {
    clock.mark('load');

    // ------------------------------------------------ baseline
    ctx.progress({ stage: 'baseline', message: 'measuring the original', done: 0 });
    const measuring = { threads, provider: budget.provider, batch: budget.batch };
    const against = async (m: Model, precision = 0.005, maxSeconds = 8) => {
      const [a, b] = await benchmark(
        [
          { name: 'original', model: loaded.model },
          { name: 'pruned', model: m },
        ],
        { ...measuring, runs: recipe.latencyRuns, precision, maxSeconds },
      );
      return { original: a!.stats, pruned: b!.stats, ratio: b!.ratio.value };
    };
    const first = await against(prepared.model);
    const percentile = (s: LatencyStats): number =>
      ({ 50: s.p50Ms, 90: s.p90Ms, 95: s.p95Ms, 99: s.p99Ms })[budget.percentile];
    const baselineMs = first.original.p50Ms;
    // A budget at another percentile is steered by the median, with the spread that the original shows.
    const spread = percentile(first.original) / baselineMs;
    const budgetRatio = budget.ratio ?? budget.ms! / (baselineMs * spread);
    clock.mark('baseline');

    // ------------------------------------------------ latency table
    ctx.progress({ stage: 'latency', message: 'timing operators', done: 0 });
    const cutCounts = (keep: ReadonlyMap<string, number>): Model => {
      const groups = prepared.analysis.groups.flatMap((g) => {
        const k = keep.get(g.id) ?? g.units;
        return k >= g.units ? [] : [{ group: g.id, removed: Array.from({ length: g.units - k }, (_, i) => k + i) }];
      });
      return applyPlan(prepared.model, prepared.facts, prepared.analysis, { groups, blocks: [] }).model;
    };
    const latency = await buildLatencyModel(prepared.model, prepared.facts, prepared.analysis.groups, {
      ...measuring,
      table: ctx.latency,
      baselineMs: baselineMs * first.ratio,
      cut: cutCounts,
      steps: 8,
      onProgress: (done, message) => ctx.progress({ stage: 'latency', message, done }),
    });
    clock.mark('latency');

    // ------------------------------------------------ scores
    const calibrationSamples = affordableSamples(prepared, recipe.calibrationSamples);
    const rankingSamples = Math.max(8, Math.min(SENSITIVITY_SAMPLES, Math.floor(SENSITIVITY_MACS / macsOf(prepared))));
    const perBatch = Math.min(64, 2 ** Math.floor(Math.log2(rankingSamples)));
    const identity = {
      model: loaded.sha256,
      data: data.identity,
      seed,
      samples: calibrationSamples,
      holdout: recipe.recovery.holdout,
    };
    const calibration = await calibrationOf(
      loaded.model,
      data.dataset,
      draw(data.train, calibrationSamples, seed),
      Math.min(perBatch, calibrationSamples),
      seed,
    );
    const scoresDir = await ctx.artifact('scores', { ...identity, criterion: recipe.criterion }, async (dir) => {
      const scores = await scoreGroups(recipe.criterion, loaded.model, prepared, calibration, ctx, workThreads, seed);
      await writeFile(join(dir, 'scores.json'), JSON.stringify([...scores].map(([id, s]) => [id, [...s]])));
    });
    const scores = new Map(
      (JSON.parse(await readFile(join(scoresDir, 'scores.json'), 'utf8')) as [string, number[]][]).map(
        ([id, s]) => [id, Float64Array.from(s)] as const,
      ),
    );
    const { space, start } = openSpace(
      prepared.analysis.groups,
      prepared.blocks,
      scores,
      latency.counts,
      latency.model,
      recipe,
    );
    clock.mark('score');

    // ------------------------------------------------ is the budget within reach at all?
    const cut = (s: State): Surgery =>
      applyPlan(prepared.model, prepared.facts, prepared.analysis, planOf(space, s, loaded.sha256), prepared.blocks);
    const measured = (s: State): Model => {
      const { model } = cut(s);
      tidy(model);
      return model;
    };
    const least = leastState(space, start);
    const smallest = await against(measured(least), 0.01, 4);
    const provenance = measuredHere();
    const common = {
      job: ctx.job,
      skipped: prepared.analysis.skipped,
      family: familyOf(loaded.model),
      provenance,
      recipe,
    };
    const costsOf = async (
      m: Model,
      bytes: number,
      stats: LatencyStats,
      quality: Quality | null,
    ): Promise<ModelMeasure> => {
      const { macs, params } = modelCosts(m, await collectFacts(m, ctx.executor, { batch: budget.batch }));
      return { ...stats, macs, params, bytes, quality };
    };
    if (smallest.ratio > budgetRatio) {
      const holds = (await profileModel(measured(least), { ...measuring, runs: 20 })).operators
        .map((o) => ({ operator: `${o.opType} ${o.name}`, ms: o.ms }))
        .sort((a, b) => b.ms - a.ms)
        .slice(0, 8);
      return {
        ...common,
        budgetMs: budgetRatio * baselineMs * spread,
        met: false,
        unreachable: {
          reason: `the largest cut that the recipe allows still takes ${smallest.ratio.toFixed(2)} of the original's time`,
          bestMs: smallest.pruned.p50Ms,
          holds,
        },
        baseline: await costsOf(loaded.model, loaded.bytes, first.original, null),
        result: null,
        compensated: null,
        bundle: null,
        model: null,
        groups: prepared.analysis.groups.map((g) => ({ ...groupInfo(g), kept: g.units })),
        blocksRemoved: [],
        seconds: clock.seconds(),
        notes,
      };
    }

    // ------------------------------------------------ allocate, cut, measure, correct
    // Under the job: resumed, it goes on with the plan that it had; another job measures anew.
    const planDir = await ctx.artifact('allocate', { ...identity, job: ctx.job }, async (dir) => {
      const { params } = modelCosts(prepared.model, prepared.facts);
      const memo = ctx.memo('output-change', {
        ...identity,
        criterion: recipe.criterion,
        used: rankingSamples,
        cut: params < CUT_BELOW,
        fitted: recipe.compensation === 'least-squares' ? 1 : 0,
      });
      const few = firstSamples(calibration, rankingSamples);
      // Plans are judged as they will be: with the layers behind each cut refitted.
      const fits =
        params < CUT_BELOW && recipe.compensation === 'least-squares' && calibration.real
          ? await LocalFits.collect(ctx.executor, prepared, firstSamples(calibration, FIT_SAMPLES).batches, workThreads)
          : null;
      const fitted = (s: State): Model => {
        const surgery = cut(s);
        fits?.apply(
          surgery,
          prepared.blocks.filter((b) => s.dropped.has(b.id)),
        );
        tidy(surgery.model);
        return surgery.model;
      };
      const change =
        params < CUT_BELOW
          ? await openCutChange(ctx.executor, prepared.model, fitted, few, workThreads)
          : await openOutputChange(ctx.executor, prepared, few, workThreads);
      let evaluations = 0;
      const cost = async (s: State): Promise<number> => {
        const key = keyOf(s);
        let v = memo.get(key);
        if (v === undefined) {
          v = await change.cost(space, s);
          memo.put(key, v);
        }
        evaluations++;
        return v;
      };
      const goalMs = budgetRatio * baselineMs;
      const path = new GreedyPath(space, start, {
        cost,
        onProgress: (ms) =>
          ctx.progress({
            stage: 'allocate',
            message: `predicted ${ms.toFixed(2)} ms, ${evaluations} plans tried`,
            done: Math.min(0.9, Math.max(0, (baselineMs * first.ratio - ms) / (baselineMs * first.ratio - goalMs))),
          }),
      });
      ctx.progress({ stage: 'allocate', message: 'measuring sensitivities', done: 0 });
      const measuredAllocation = recipe.allocation === 'measured';
      try {
        const { best } = await fitBudget({
          budgetRatio,
          baselineMs,
          space,
          allocate: async (ms) =>
            measuredAllocation
              ? (await path.reach(ms)).state
              : baselineState(recipe.allocation, space, scores, ms, start),
          ...(measuredAllocation && { refill: (s: State, ms: number) => refill(space, s, ms, cost, start) }),
          cut: measured,
          measure: async (m) => (await against(m, 0.005, 5)).ratio,
          confirm: async (m) => (await against(m, 0.003, 12)).ratio,
          onCandidate: (c, attempt) =>
            ctx.log(
              `attempt ${attempt + 1}: predicted ${c.predictedMs.toFixed(3)} ms, measured ${c.ratio.toFixed(3)}x`,
            ),
        });
        await writeFile(join(dir, 'state.json'), keyOf(best.state));
      } finally {
        await change.close();
      }
    });
    const state = stateOf(await readFile(join(planDir, 'state.json'), 'utf8'));
    clock.mark('allocate');
    const plan = planOf(space, state, loaded.sha256);
    const planHash = createHash('sha256').update(JSON.stringify(plan)).digest('hex');

    // ------------------------------------------------ surgery and compensation
    const compensatedDir = await ctx.artifact(
      'compensate',
      { ...identity, plan: planHash, kind: recipe.compensation, version: 4 },
      async (dir) => {
        const surgery = cut(state);
        const gone = new Set(plan.blocks);
        const dropped = prepared.blocks.filter((b) => gone.has(b.id));
        await writeFile(join(dir, 'features.json'), JSON.stringify(featuresOf(surgery, dropped)));
        let fits: Fitted[] = [];
        if (recipe.compensation !== 'none' && calibration.real)
          fits = await compensate(ctx.executor, prepared, surgery, dropped, calibration.batches, {
            threads: workThreads,
            kind: recipe.compensation,
            onProgress: (done, node) => ctx.progress({ stage: 'compensate', message: node, done }),
          });
        tidy(surgery.model);
        saveModelFile(surgery.model, join(dir, 'model.onnx'));
        await writeFile(join(dir, 'fitted.json'), JSON.stringify(fits));
      },
    );
    let modelPath = join(compensatedDir, 'model.onnx');
    clock.mark('compensate');

    // ------------------------------------------------ quality, recovery
    const evaluator =
      data.dataset &&
      (await createEvaluator(loaded.model, {
        executor: ctx.executor,
        dataset: data.dataset,
        indices: data.quality,
        threads: workThreads,
        batch: 64,
        onProgress: (done) => ctx.progress({ stage: 'evaluate', message: 'the original', done: done / 2 }),
      }));
    let compensated: Quality | null = null;
    let quality: Quality | null = null;
    try {
      if (evaluator) compensated = quality = await evaluator.evaluate(openModelFile(modelPath));
      clock.mark('evaluate');
      if (recipe.recovery.enabled && recipe.recovery.seconds > 0 && data.dataset) {
        const recovered = await recoverStage(
          request,
          data,
          prepared.model,
          modelPath,
          JSON.parse(await readFile(join(compensatedDir, 'features.json'), 'utf8')) as Feature[],
          planHash,
          identity,
          ctx,
          workThreads,
        );
        if (recovered.path) modelPath = recovered.path;
        notes.push(recovered.note);
        clock.mark('recover');
        if (evaluator && recovered.path) quality = await evaluator.evaluate(openModelFile(modelPath));
        clock.mark('evaluate');
      } else if (recipe.recovery.enabled) notes.push('No data were given: nothing was compensated or recovered.');
    } finally {
      await evaluator?.close();
    }

    // ------------------------------------------------ final measurement and bundle
    ctx.progress({ stage: 'measure', message: 'the original and the result, side by side', done: 0 });
    const final = await finalMeasure(openModelFile(modelPath), against, budget.ratio, budgetRatio);
    const budgetMs = budget.ms ?? budget.ratio! * percentile(final.original);
    const result = openModelFile(modelPath);
    const report: CompressReport = {
      ...common,
      budgetMs,
      met: percentile(final.pruned) <= budgetMs,
      baseline: await costsOf(loaded.model, loaded.bytes, final.original, evaluator?.reference ?? null),
      result: await costsOf(result, (await readFile(modelPath)).length, final.pruned, quality),
      compensated,
      bundle: null,
      model: null,
      groups: prepared.analysis.groups.map((g) => ({
        ...groupInfo(g),
        kept: g.units - (plan.groups.find((p) => p.group === g.id)?.removed.length ?? 0),
      })),
      blocksRemoved: plan.blocks,
      seconds: clock.seconds(),
      notes,
    };
    clock.mark('measure');
    ctx.progress({ stage: 'bundle', message: 'writing the bundle', done: 0 });
    const bundle = await writeBundle({
      name: bundleName(request),
      outDir: request.out,
      modelPath,
      originalPath: request.model,
      report,
      plan,
      budget,
      device: localDevice(),
      preprocess: data.dataset?.preprocess ?? null,
      classNames: data.dataset?.classNames ?? null,
      dataset: data.dataset,
      seed,
      executor: createExecutor(),
    });
    clock.mark('bundle');
    ctx.progress({ stage: 'bundle', message: 'done', done: 1 });
    return { ...report, bundle: bundle.folder, model: bundle.model, seconds: clock.seconds() };
  } finally {
    await data.dataset?.close();
  }
}

const bundleName = (r: CompressRequest): string => basename(r.model, extname(r.model));

/** Measures until a verdict is clear of the noise, three times at most; a quiet moment decides. */
async function finalMeasure(
  model: Model,
  against: (
    m: Model,
    precision?: number,
    maxSeconds?: number,
  ) => Promise<{ original: LatencyStats; pruned: LatencyStats; ratio: number }>,
  ratio: number | undefined,
  budgetRatio: number,
) {
  let best = await against(model, 0.003, 12);
  for (let i = 0; i < 2; i++) {
    const share = best.pruned.p50Ms / best.original.p50Ms / (ratio ?? budgetRatio);
    if (share <= 1) break;
    const again = await against(model, 0.003, 12);
    if (again.pruned.noiseMs / again.pruned.p50Ms < best.pruned.noiseMs / best.pruned.p50Ms) best = again;
  }
  return best;
}

function leastState(space: ReturnType<typeof openSpace>['space'], start: State): State {
  const keep = new Map(start.keep);
  for (const [id, counts] of space.counts) {
    // The smallest count is not always the fastest.
    const best = counts.reduce((a, b) => (space.latency.groupMs(id, b) <= space.latency.groupMs(id, a) ? b : a));
    keep.set(id, best);
  }
  const withBlocks: State = { keep, dropped: new Set(space.droppable) };
  return predictMs(space, withBlocks) <= predictMs(space, { keep, dropped: new Set() })
    ? withBlocks
    : { keep, dropped: new Set() };
}

const batchOf = (p: Prepared): number => p.facts.get(p.model.graph.outputs[0]!)?.shape[0] ?? 1;
/** Multiply-accumulates of one sample. */
const macsOf = (p: Prepared): number => Math.max(1, modelCosts(p.model, p.facts).macs / batchOf(p));

/**
 * Samples that statistics can afford: forward passes of about 3e11 multiply-accumulates in all, and a widest activation
 * of 1 GB over all samples.
 */
function affordableSamples(p: Prepared, wanted: number): number {
  const batch = batchOf(p);
  let widest = 1;
  for (const n of p.model.graph.nodes())
    for (const v of n.outputs) widest = Math.max(widest, elementCount(p.facts.get(v)?.shape ?? []));
  const most = Math.min(3e11 / macsOf(p), (2.5e8 * batch) / widest);
  return Math.max(16, Math.min(wanted, Math.floor(most)));
}

function stopwatch(): { mark(name: string): void; seconds(): Record<string, number> } {
  let last = performance.now();
  const out: Record<string, number> = {};
  return {
    mark(name) {
      const now = performance.now();
      out[name] = Math.round(((out[name] ?? 0) + (now - last) / 1000) * 100) / 100;
      last = now;
    },
    seconds: () => ({ ...out }),
  };
}

export type { Prepared, Plan };
