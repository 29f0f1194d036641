/**
 * Measures how much of a model can be pruned, and whether the pruned model is correct and faster.
 * Every group loses the same share of its units. The result is compared with the masked model, and
 * its MACs and latency are measured.
 */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { CoverageRequest, CoverageRow } from '../../shared/model/tasks.ts';
import type { HostTensor } from '../engine/executor.ts';
import { modelCosts } from '../engine/ir/costs.ts';
import type { Model } from '../engine/ir/model.ts';
import type { Value } from '../engine/ir/value.ts';
import { verifyModel } from '../engine/ir/verify.ts';
import { cloneModel } from '../engine/ir/clone.ts';
import { fixSelections } from '../engine/passes/index.ts';
import { maskModel } from '../engine/structures/mask.ts';
import { choiceOf, type Cut } from '../engine/structures/choices.ts';
import type { Structure } from '../engine/structures/contract.ts';
import { axesOf } from '../engine/structures/find.ts';
import { applyPlan } from '../engine/structures/apply.ts';
import { difference } from '../engine/quality/difference.ts';
import { benchmark } from '../runtime/bench.ts';
import { collectFacts } from '../runtime/facts.ts';
import { profileModel } from '../runtime/profile.ts';
import { applySizes, settleSizes, sizeNotes } from '../runtime/settle-sizes.ts';
import { randomFeeds } from '../runtime/random-inputs.ts';
import type { StageContext } from '../pipeline/context.ts';
import { modelLeaf, runtimeLeaf } from '../pipeline/leaves.ts';
import { freeBatch } from '../pipeline/prepare/free-batch.ts';
import { recordChoices } from '../engine/passes/held-choices.ts';
import { loadWithHash } from '../pipeline/prepare/load.ts';
import { prepare, tidy, type Prepared } from '../pipeline/prepare/prepare.ts';
import { prunableShare } from '../pipeline/prepare/prunable-share.ts';
import type { Scores } from '../engine/criteria/contract.ts';
import { scoreGroups } from '../pipeline/search/scores.ts';
import { atSecondSizes, sayAll, selected } from '../pipeline/evaluate/second-sizes.ts';

/** Float32 rounding error over some hundred layers, relative to the largest value of an output. */
const TOLERANCE = 1e-3;
const BENCH_SECONDS = 4;

/**
 * Kept counts are rounded to multiples of these in turn, the exact share first. Many kernels are
 * slower at widths that do not fill their registers; the effect depends on the machine.
 */
const STEPS = [1, 8, 16];
/**
 * A rounding that removes less than this share of the MACs that the exact cut removes is a weaker
 * cut, not a faster one.
 */
const LEAST_OF_EXACT = 2 / 3;
/** Any seed: L2 norms draw no numbers. */
const SEED = 1;

interface Cutting {
  readonly plan: Cut;
  readonly model: Model;
  readonly macsRatio: number;
}

export async function runCoverage(request: CoverageRequest, ctx: StageContext): Promise<CoverageRow> {
  const started = performance.now();
  const { ratio } = request;
  // A model may be judged a second time, but progress must not go back.
  let furthest = 0;
  const tell = (message: string, done: number): void =>
    ctx.progress({ stage: 'coverage', message, done: (furthest = Math.max(furthest, done)) });
  tell('reading the model', 0);
  const loaded = await loadWithHash(request.model);
  const settled = await settleSizes(loaded.model, ctx.executor, request);
  // There are no samples, so a requested batch is treated like any other size.
  applySizes(loaded.model, settled, true);
  // As in a job, the batch is freed where the graph allows that.
  const whole = modelLeaf(loaded.model, { sha256: loaded.sha256, ...settled });
  const { value: original } = await freeBatch.run({ model: whole, runtime: runtimeLeaf() }, ctx);
  const p = await prepare(original, ctx, 1);
  const before = modelCosts(p.model, p.facts).macs;
  const scores = await normsOf(original, p, SEED, ctx);
  const judge = (settle: Settle) => judged({ original, p, scores, before, ratio, settle }, ctx, tell);
  let note: string | null = null;
  const result = await judge(asItIs).catch(async (e: unknown) => {
    const fixed =
      e instanceof SecateurError && e.code === 'runtime-rejected'
        ? await recordChoices(p.model, randomFeeds(p.model, { batch: 1 }), ctx.executor)
        : null;
    if (!fixed) throw e;
    note = `selects by scores and runs only with its own selection (${(e as Error).message}): compared with the original's choices`;
    return judge((m) => {
      const { model } = cloneModel(m);
      fixSelections(model, fixed);
      return model;
    });
  });
  const { error, effect, macsRatio, latency, pruned } = result;
  tell('comparing at other sizes', 0.9);
  const sizes = await atSecondSizes(p, result.plan, ctx.executor);
  const axes = axesOf(p.structures);
  const faster = latency.high < 1;
  const problems = [
    ...(axes.length === 0 ? ['nothing can be pruned'] : []),
    ...(error <= TOLERANCE ? [] : [`differs from the masked model by ${error.toExponential(1)} of an output's range`]),
    ...(effect > 0 ? [] : ['masking changes no output, so the comparison shows nothing']),
    ...sizes.faults,
  ];
  tell('done', 1);
  return {
    name: request.name,
    ratio,
    groups: axes.length,
    prunableShare: prunableShare(p),
    frozen: p.analysis.skipped,
    ok: problems.length === 0,
    maskError: error,
    macsRatio,
    latencyRatio: latency.value,
    holds: faster ? [] : await holders(pruned),
    problems,
    notes: [...sizeNotes(settled, 1), ...(note === null ? [] : [note]), ...sizes.notes],
    sizes: sizes.runs.others.map((r) => sayAll(r.changed)),
    seconds: (performance.now() - started) / 1000,
  };
}

/** Changes a model before it runs. */
type Settle = (m: Model) => Model;
const asItIs: Settle = (m) => m;

interface Judging {
  readonly original: Model;
  readonly p: Prepared;
  readonly scores: Scores;
  /** MACs of the whole model. */
  readonly before: number;
  readonly ratio: number;
  readonly settle: Settle;
}

/** Cuts at several roundings, and compares the fastest cut with the masked model. */
async function judged(
  { original, p, scores, before, ratio, settle }: Judging,
  ctx: StageContext,
  tell: (message: string, done: number) => void,
) {
  tell('cutting', 0.3);
  const cuts: Cutting[] = [];
  for (const step of STEPS) {
    const plan = evenPlan(p, scores, ratio, step);
    if (cuts.some((c) => JSON.stringify(c.plan) === JSON.stringify(plan))) continue;
    const { model: cut } = applyPlan(p, plan);
    verifyModel(cut);
    const model = settle(cut);
    const after = modelCosts(model, await collectFacts(model, ctx.executor, { batch: 1 })).macs;
    tidy(model);
    cuts.push({ plan, model, macsRatio: before > 0 ? after / before : 1 });
  }
  tell('timing', 0.5);
  const timed = await benchmark(
    [{ name: 'original', model: settle(original) }, ...cuts.map((c, i) => ({ name: `cut ${i}`, model: c.model }))],
    { threads: 1, runs: 5, warmup: 2, precision: 0.02, maxSeconds: BENCH_SECONDS * cuts.length },
  );
  const least = LEAST_OF_EXACT * (1 - cuts[0]!.macsRatio);
  const enough = cuts.filter((c, i) => i === 0 || 1 - c.macsRatio >= least);
  const times = new Map(cuts.map((c, i) => [c, timed[i + 1]!.ratio] as const));
  const best = enough.reduce((x, y) => (times.get(y)!.value < times.get(x)!.value ? y : x));
  tell('comparing with the masked model', 0.8);
  const { error, effect } = await againstMask(p, best.plan, ctx, settle);
  return { error, effect, macsRatio: best.macsRatio, latency: times.get(best)!, pruned: best.model, plan: best.plan };
}

/** L2 norms of all units; they need no data. */
export function normsOf(original: Model, p: Prepared, seed: number, ctx: StageContext): Promise<Scores> {
  const none = { input: '', size: 1, batches: [], labels: [], real: false };
  return scoreGroups('l2', original, p, none, { ...ctx, progress: () => undefined }, 1, seed);
}

/** Removes the least important units, the same share of every group, in multiples that the group allows. */
export function evenPlan(p: Prepared, scores: Scores, ratio: number, step = 1): Cut {
  const choices = p.structures.flatMap((s) => {
    const score = scores.get(s.id);
    if (!score) return [];
    const order = [...score.keys()].sort((a, b) => score[a]! - score[b]!);
    const removed = order.slice(0, removedOf(s, ratio, step)).sort((a, b) => a - b);
    return removed.length > 0 ? [choiceOf(s, removed)] : [];
  });
  return { choices };
}

function removedOf(g: Structure, ratio: number, step: number): number {
  const plain = Math.min(g.units - g.multiple, Math.round((ratio * g.units) / g.multiple) * g.multiple);
  const kept = Math.round((g.units - plain) / step) * step;
  // Groups of a few units, such as heads, are not rounded.
  const fits = g.units >= 2 * step && kept > 0 && kept < g.units && (g.units - kept) % g.multiple === 0;
  return fits ? g.units - kept : plain;
}

/**
 * Compares outputs of the cut and the masked model, and the results of linear operators whose width
 * cannot change. Outputs after a softmax or a selection of boxes can be empty or constant, and then
 * agree whatever was cut. Outputs after a selection are left out when there are such operators,
 * since rounding can change the selection.
 */
async function againstMask(p: Prepared, plan: Cut, ctx: StageContext, settle: Settle) {
  const { outputs } = p.model.graph;
  const own = [...outputs];
  const chosen = settle === asItIs ? selected(p.model) : new Set<Value>();
  const narrowed = new Set(axesOf(p.structures).flatMap((g) => g.members.map((m) => m.value)));
  const frozen = new Set(p.analysis.skipped.map((s) => s.group));
  const inside = [...p.model.graph.nodes()]
    .filter((n) => frozen.has(n.label) && !narrowed.has(n.output()) && !chosen.has(n.output()))
    .map((n) => n.output());
  const steady = own.filter((v) => !chosen.has(v));
  const compared = new Set([...steady, ...inside]);
  if (compared.size > 0) outputs.splice(0, Infinity, ...compared);
  try {
    const feeds = randomFeeds(p.model, { batch: 1 });
    const run = async (model: Model): Promise<Record<string, HostTensor>> => {
      const session = await ctx.executor.open(model, { threads: 1, optimization: 'basic' });
      try {
        return await session.run(feeds);
      } finally {
        await session.release();
      }
    };
    const whole = await run(settle(p.model));
    const masked = await run(settle(maskModel(p, plan)));
    const cut = await run(settle(applyPlan(p, plan).model));
    return { error: difference(masked, cut), effect: difference(whole, masked, true) };
  } finally {
    outputs.splice(0, Infinity, ...own);
  }
}

/** The slowest operators of the pruned model. */
async function holders(pruned: Model): Promise<CoverageRow['holds']> {
  const { operators } = await profileModel(pruned, { threads: 1, batch: 1, runs: 6 });
  return operators
    .filter((o) => isFinite(o.ms))
    .sort((a, b) => b.ms - a.ms)
    .slice(0, 5)
    .map((o) => ({ operator: `${o.opType} ${o.name}`, ms: o.ms }));
}
